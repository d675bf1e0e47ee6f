import { readFileSync } from "node:fs";
import { type Contract, parseContract } from "../contract/contract.ts";
import type { Phase } from "../contract/phase.ts";
import { KeelsonError } from "../errors.ts";
import { nextGeneration } from "../host/deployments.ts";
import { type HostTree, hostTree } from "../host/host-tree.ts";
import { type OnceBundle, writeOnceBundle } from "../host/once.ts";
import { readOverrides } from "../host/overrides.ts";
import { findRuntime } from "../host/runtime.ts";
import { findUnit } from "../host/unit-origin.ts";
import { formatPlatform } from "../image/platform.ts";
import { type DirectoryNode, nodeAt } from "../layer/tree.ts";
import type { DeployedImage, DeployedStack, Deployment, FileContent } from "../plan/deployment.ts";
import { foreignFileLines, hostActionLines, userTreeLine } from "../plan/describe.ts";
import type { HostFacts } from "../plan/facts.ts";
import { planDeployment } from "../plan/next.ts";
import { type Override, parseOverrides } from "../plan/overrides.ts";
import type { ReadContent } from "../plan/preview.ts";
import { stackOverrides } from "../plan/stack.ts";
import { resolveUser } from "../plan/user.ts";
import { readExports, readTreeText } from "../store/exports.ts";
import { findObject } from "../store/store.ts";
import { asRootOnly, hostFacts, type World } from "../world.ts";
import { deploymentSource, type ImageAtHand } from "./pull.ts";

export interface ProposalRequest {
  /** What the person sets. */
  readonly set: ReadonlyMap<string, string>;
  /** The container's UUID, kept over its deployments. */
  readonly uuid: string;
  readonly runtime?: string | undefined;
  /** In place of the image's own. */
  readonly phase?: Phase | undefined;
  readonly rootfs?: string | undefined;
  /** Addresses that a socket listens on for it. */
  readonly listen: readonly string[];
  readonly enable: boolean;
  readonly keepExisting: boolean;
  /** What a stack file says of it. */
  readonly stack?: DeployedStack | undefined;
  /** It is to be run, whatever its label says: on a root that may be written to, and with nothing of it on the host. */
  readonly once?: boolean;
}

/** The next deployment of `name` from an image: its contract read, rendered and checked. Nothing is written. */
export async function propose(
  world: World,
  request: ProposalRequest,
  name: string,
  image: ImageAtHand,
  facts: HostFacts = hostFacts(world),
): Promise<Deployment> {
  const { root, paths, settings } = world;
  const shared = request.rootfs === undefined ? undefined : hostTree(root, request.rootfs);
  const tree = shared?.tree ?? image.tree;
  const readFile = shared?.readFile ?? image.readFile;
  checkMountPoints(tree);
  const read = (path: string): string => readTreeText(tree, path, readFile);
  const contract = parseContract(readExports(tree, readFile, settings.templateSize));
  const once = request.once === true || runsOnce(image);
  if (once) asRootOnly(world, "run, or installing an image that runs once,");
  const configured = request.runtime ?? settings.runtime;
  return planDeployment(
    {
      name,
      generation: nextGeneration(paths.deployments, name),
      created: world.now().toISOString(),
      image: deployedImage(image),
      imageConfig: image.config,
      contract: once ? withoutHost(contract) : contract,
      writable: once,
      set: request.set,
      uuid: request.uuid,
      phase: request.phase,
      listen: request.listen,
      runtime: await findRuntime({ root: world.rootPath, ...(configured === undefined ? {} : { configured }) }),
      enabled: request.enable,
      keepExisting: request.keepExisting,
      ...(shared === undefined ? {} : { rootfs: shared.rootfs }),
      // An image with a config.json of its own says there who it runs as.
      user: resolveUser(contract.config === undefined ? image.config.user : "", read("etc/passwd"), read("etc/group")),
      contentOf: (source) => contentOf(tree, source, shared),
      isFileInImage: (path) => nodeAt(tree, path, true)?.kind === "file",
      overrides: overridesOf(world, name, request.stack),
      ...(request.stack === undefined ? {} : { stack: request.stack }),
      defaults: world.templates(),
    },
    facts,
  );
}

function deployedImage({ image, config }: ImageAtHand): DeployedImage {
  const { digest, id, commit, verified } = image;
  const reference = image.reference ?? digest;
  const platform = formatPlatform(config.platform);
  return { reference, digest, id, commit, platform, ...(verified === undefined ? {} : { verified }) };
}

/** What the next deployment of a container has of the one before. */
export function keptFrom(
  world: World,
  from: Deployment | undefined,
): Omit<ProposalRequest, "set" | "enable" | "stack"> {
  const uuid = String(from?.values.UUID ?? world.uuid());
  return {
    uuid,
    runtime: from?.runtime,
    phase: from?.phase,
    listen: from?.listen ?? [],
    rootfs: from?.rootfs,
    keepExisting: false,
  };
}

/** Whether a deployment was made with these values and with the overrides there are now. */
export function sameInput(
  world: World,
  from: Deployment,
  set: ReadonlyMap<string, string>,
  stack: DeployedStack | undefined,
): boolean {
  const overrides = overridesOf(world, from.name, stack).map(({ line }) => line);
  return (
    JSON.stringify([...set].sort()) === JSON.stringify(Object.entries(from.set).sort()) &&
    JSON.stringify(overrides) === JSON.stringify(from.overrides?.lines ?? [])
  );
}

/** What is to be changed in config.json of a container: by its stack, then by the administrator. */
function overridesOf(world: World, name: string, stack: DeployedStack | undefined): readonly Override[] {
  return parseOverrides([...stackOverrides(name, stack), ...readOverrides(world.root, name, world.places)]);
}

/** Throws E_NAME_TAKEN when a container's unit would take the place of one that systemd knows. */
export function checkUnitFree(world: World, name: string): void {
  const template = name.includes("@")
    ? findUnit(world.rootPath, `${name.replace(/@.*/, "@")}.service`, world.places)
    : undefined;
  const taken = template?.kind === "drop-in" ? undefined : template;
  const origin = taken ?? findUnit(world.rootPath, `${name}.service`, world.places);
  if (origin?.kind === "drop-in") world.output.message(`${origin.path} exists and will add to ${name}.service`);
  else if (origin !== undefined) {
    throw new KeelsonError("E_NAME_TAKEN", `${name}.service already exists: ${origin.path} is not keelson's`, {
      hint: "Choose another name; keelson never takes the place of a unit of the host.",
    });
  }
}

/** Found in the tree again, not on disk: a symlink on the way to it leads inside the image. */
function contentOf(tree: DirectoryNode, source: string, shared: HostTree | undefined): FileContent {
  const node = nodeAt(tree, `exports/hostfs${source}`);
  if (node?.kind !== "file") throw new Error(`${source} is not a file of hostfs`);
  return shared === undefined ? { kind: "object", object: node.object } : { kind: "path", path: shared.pathOf(node) };
}

/** The bytes of files of deployments: of an image at hand, of the store, of the host. */
export function readContent(world: World, image?: ImageAtHand): ReadContent {
  const staged = image?.stage?.repository;
  return (content) => {
    switch (content.kind) {
      case "text":
        return Buffer.from(content.text);
      case "path":
        return world.root.at(content.path).kind === "file" ? readFileSync(world.root.bytes(content.path)) : undefined;
      case "object":
        return staged?.has(content.object, "file")
          ? readFileSync(staged.locate(content.object, "file"))
          : findObject(world.paths, content.object);
    }
  };
}

/**
 * The runtime mounts over these in the tree; through a symlink it would do so somewhere else (CVE-2026-41579 and its
 * forerunners).
 */
function checkMountPoints(tree: DirectoryNode): void {
  const link = ["dev", "proc", "sys"].find((name) => tree.children.get(name)?.kind === "symlink");
  if (link === undefined) return;
  throw new KeelsonError("E_LAYER", `the image's /${link} is a symlink`, {
    hint: "Do not install this image; tell its publisher.",
  });
}

/** Whether an image is to be run instead of installed. */
export function runsOnce(image: ImageAtHand): boolean {
  return image.config.labels["atomic.run"] === "once";
}

/** Says what of the image acts on the host, and what a person should look at. */
export function announce(world: World, deployment: Deployment): void {
  for (const line of [...hostActionLines(deployment.hostActions), ...foreignFileLines(deployment)]) {
    world.output.message(line);
  }
  if (world.places.user !== undefined) world.output.message(userTreeLine);
  for (const warning of deployment.warnings) world.output.warn(warning);
}

/** What runs once brings neither unit nor host files. */
function withoutHost(contract: Contract): Contract {
  return { ...contract, hostfs: [], manifest: { ...contract.manifest, noContainerService: true } };
}

/** The bundle is run when the store's lock is free again: it may run for long. */
export function stageOnce(world: World, image: ImageAtHand, deployment: Deployment): OnceBundle {
  const { tree, repository, publish } = deploymentSource(world, image);
  publish();
  return writeOnceBundle(world.paths.once, deployment, tree, repository);
}
