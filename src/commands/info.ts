import { parseContract, variablesOf } from "../contract/contract.ts";
import { KeelsonError, printable } from "../errors.ts";
import { readContainer } from "../host/deployments.ts";
import { dropIns } from "../host/unit-origin.ts";
import { formatPlatform } from "../image/platform.ts";
import { describeVerified, formatVerified } from "../image/verified.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describeDeployment, foreignFileLines, hostActionLines, userTreeLine } from "../plan/describe.ts";
import { describePrivilege } from "../plan/preview.ts";
import { privilegeLines, privilegesOf } from "../plan/privileges.ts";
import { readDocuments } from "../store/documents.ts";
import { readExports } from "../store/exports.ts";
import { findImages } from "../store/find-images.ts";
import { readImages, type StoredImage } from "../store/images.ts";
import { readObject, readTree } from "../store/store.ts";
import type { World } from "../world.ts";

/** What is known of a container, or else of an image in the store. */
export async function info(world: World, name: string): Promise<void> {
  const container = readContainer(world.paths.deployments, name);
  if (container?.kind === "installed") return containerInfo(world, container.deployment);
  if (container !== undefined) {
    return world.output.answer({ name, broken: container.reason }, [`${name} is broken: ${container.reason}`]);
  }
  imageInfo(world, findImage(world, name));
}

async function containerInfo(world: World, deployment: Deployment): Promise<void> {
  const { name, image, service, generation, set } = deployment;
  const state =
    service !== undefined && world.systemd.running
      ? (await world.systemd.states([service.unit])).get(service.unit)
      : undefined;
  const privileges = privilegesOf(deployment);
  const additions = service === undefined ? [] : dropIns(world.rootPath, service.unit, world.places);
  const lines = [
    `name: ${name}`,
    `image: ${image.reference}`,
    `digest: ${image.digest}`,
    `verified: ${formatVerified(image.verified)}`,
    `generation: ${generation}`,
    `state: ${service === undefined ? "no service" : (state?.activeState ?? "unknown")}`,
    `runtime: ${deployment.runtime}`,
    ...(deployment.stack === undefined ? [] : [`stack: ${deployment.stack.path}`]),
    ...Object.entries(set).map(([key, value]) => `set: ${key}=${value}`),
    ...(deployment.overrides?.lines ?? []).map((line) => `override: ${line}`),
    ...privilegeLines(privileges).map((line) => `the container ${line}`),
    ...(world.places.user === undefined ? [] : [userTreeLine]),
    ...hostActionLines(deployment.hostActions),
    ...foreignFileLines(deployment),
    ...additions.map((path) => `drop-in: ${path}`),
    ...deployment.warnings.map((warning) => `warning: ${warning}`),
  ];
  world.output.answer(
    {
      kind: "container",
      ...describeDeployment(deployment),
      overrides: deployment.overrides?.lines ?? [],
      privileges: privileges.map(describePrivilege),
      state: state?.activeState ?? null,
      dropIns: additions,
    },
    lines,
  );
}

function imageInfo(world: World, image: StoredImage): void {
  const { config, manifest } = readDocuments(world.paths.images, image);
  const tree = readTree(world.paths, image);
  if (tree === undefined) {
    throw new KeelsonError("E_STORE", `the store has lost a layer of ${image.reference ?? image.digest}`, {
      hint: "Pull the image again.",
    });
  }
  const contract = parseContract(
    readExports(tree, (file) => readObject(world.paths, file.object), world.settings.templateSize),
  );
  const { overridable, required } = variablesOf(contract);
  const document = {
    kind: "image",
    reference: image.reference ?? null,
    digest: image.digest,
    id: image.id,
    commit: image.commit,
    platform: formatPlatform(config.platform),
    verified: describeVerified(image.verified),
    created: config.created ?? null,
    layers: manifest.layers.map((layer, index) => ({
      digest: layer.digest,
      diffId: config.diffIds[index],
      size: layer.size,
    })),
    labels: config.labels,
    contract: contract.unit !== undefined || contract.config !== undefined,
    variables: { overridable: Object.fromEntries(overridable), required },
  };
  world.output.answer(document, [
    `image: ${image.reference ?? "<none>"}`,
    `digest: ${image.digest}`,
    `id: ${image.id}`,
    `platform: ${document.platform}`,
    `verified: ${formatVerified(image.verified)}`,
    ...Object.entries(config.labels)
      .sort()
      .map(([key, value]) => `${key}: ${value}`),
    ...section(
      "Template variables with default value, but overridable with --set:",
      [...overridable].map(([key, value]) => `${key}: ${value}`),
    ),
    ...section("Template variables that have no default value, and must be set with --set:", required),
  ]);
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function findImage(world: World, name: string): StoredImage {
  const [image] = findImages(readImages(world.paths.images), name);
  if (image !== undefined) return image;
  throw new KeelsonError("E_NOT_FOUND", `there is neither a container nor an image ${printable(name)}`, {
    hint: "keelson list and keelson images show what is here; keelson pull brings an image.",
  });
}
