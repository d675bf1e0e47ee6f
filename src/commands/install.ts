import { type Contract, parseContract } from "../contract/contract.ts";
import { parseSet } from "../contract/values.ts";
import { KeelsonError } from "../errors.ts";
import { nextGeneration, readContainer, stageDeployment } from "../host/deployments.ts";
import { openFacts } from "../host/facts.ts";
import { hostTree } from "../host/host-tree.ts";
import { type OnceBundle, runOnce, writeOnceBundle } from "../host/once.ts";
import { findRuntime } from "../host/runtime.ts";
import { asWriter } from "../host/session.ts";
import { transact } from "../host/transaction.ts";
import { findUnit } from "../host/unit-origin.ts";
import { formatPlatform } from "../image/platform.ts";
import { containerNameOf, parseReference } from "../image/reference.ts";
import { nodeAt } from "../layer/tree.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describeDeployment, describePlan, hostActionLines, planLines } from "../plan/describe.ts";
import { checkName } from "../plan/name.ts";
import { planDeployment } from "../plan/next.ts";
import { planSwitch, type SwitchPlan } from "../plan/switch.ts";
import { resolveUser } from "../plan/user.ts";
import { readExports, readTreeText } from "../store/exports.ts";
import { openRepository } from "../store/repository.ts";
import { transactionHost, type World } from "../world.ts";
import { fetchImage, type ImageAtHand, type PullRequest, platformOf, storedImage } from "./pull.ts";

export interface InstallRequest extends PullRequest {
  readonly name?: string | undefined;
  readonly set: readonly string[];
  readonly runtime?: string | undefined;
  readonly rootfs?: string | undefined;
  readonly start: boolean;
  readonly enable: boolean;
  readonly keepExisting: boolean;
  readonly dryRun: boolean;
}

interface Proposal {
  readonly deployment: Deployment;
  readonly plan: SwitchPlan;
}

/**
 * Installs an image as a service: pulled, rendered, checked, put in place, enabled; started only when that is asked for.
 * An image labelled `atomic.run=once` is run instead, and gone afterwards. The exit status.
 */
export async function install(world: World, request: InstallRequest): Promise<number> {
  const name = checkName(request.name ?? containerNameOf(parseReference(request.image)));
  parseSet(request.set);
  if (request.dryRun) return preview(world, request, name);
  const done = await asWriter("install", world.paths, transactionHost(world), world.output.message, async () => {
    await checkFree(world, name);
    const stored = storedImage(world, parseReference(request.image), platformOf(request.platform));
    const image = stored ?? (await fetchImage(world, request, { kept: false }));
    try {
      const proposal = await propose(world, request, name, image);
      announce(world, proposal.deployment);
      return runsOnce(image) ? stageOnce(world, image, proposal) : await place(world, image, proposal);
    } finally {
      image.stage?.discard();
    }
  });
  if ("path" in done) return runOnce(done, world.systemd);
  const { deployment, plan } = done;
  if (request.start && deployment.service) await world.systemd.start(deployment.service.unit);
  const document = { ...describeDeployment(deployment), ...describePlan(plan), started: request.start };
  world.output.answer(document, answerLines(world, deployment, request.start));
  return 0;
}

/** Prints the plan. What is fetched for it goes to a scratch directory and away again; the root is only read. */
async function preview(world: World, request: InstallRequest, name: string): Promise<number> {
  await checkFree(world, name);
  const stored = storedImage(world, parseReference(request.image), platformOf(request.platform));
  const image = stored ?? (await fetchImage(world, request, { kept: false, scratch: world.scratch() }));
  try {
    const { deployment, plan } = await propose(world, request, name, image);
    announce(world, deployment);
    world.output.answer({ ...describeDeployment(deployment), ...describePlan(plan) }, planLines(plan));
    return 0;
  } finally {
    image.stage?.discard();
  }
}

/** Throws E_PRESENT when the name belongs to a container, E_NAME_TAKEN when it belongs to any unit systemd knows. */
async function checkFree(world: World, name: string): Promise<void> {
  if (readContainer(world.paths.deployments, name) !== undefined) {
    throw new KeelsonError("E_PRESENT", `${name} already present`, {
      hint: `Choose another --name, or remove it with keelson uninstall ${name}.`,
    });
  }
  const origin = await findUnit(world.rootPath, `${name}.service`);
  if (origin?.kind === "drop-in") world.output.message(`${origin.path} exists and will add to ${name}.service`);
  else if (origin !== undefined) {
    throw new KeelsonError("E_NAME_TAKEN", `${name}.service already exists: ${origin.path} is not keelson's`, {
      hint: "Choose another --name; keelson never takes the place of a unit of the host.",
    });
  }
}

async function propose(world: World, request: InstallRequest, name: string, image: ImageAtHand): Promise<Proposal> {
  const { root, paths, settings } = world;
  const shared = request.rootfs === undefined ? undefined : hostTree(root, request.rootfs);
  const tree = shared?.tree ?? image.tree;
  const readFile = shared?.readFile ?? image.readFile;
  const facts = openFacts(root, settings.stateDirectory, paths.deployments, world.keelson);
  const read = (path: string): string => readTreeText(tree, path, readFile);
  const contract = parseContract(readExports(tree, readFile));
  const configured = request.runtime ?? settings.runtime;
  const { digest, id, commit } = image.image;
  const deployment = planDeployment(
    {
      name,
      generation: nextGeneration(paths.deployments, name),
      created: world.now().toISOString(),
      image: {
        reference: image.image.reference ?? digest,
        digest,
        id,
        commit,
        platform: formatPlatform(image.config.platform),
      },
      imageConfig: image.config,
      contract: runsOnce(image) ? withoutHost(contract) : contract,
      writable: runsOnce(image),
      set: parseSet(request.set),
      uuid: world.uuid(),
      runtime: await findRuntime({ root: world.rootPath, ...(configured === undefined ? {} : { configured }) }),
      enabled: request.enable,
      keepExisting: request.keepExisting,
      ...(shared === undefined ? {} : { rootfs: shared.rootfs }),
      user: resolveUser(image.config.user, read("etc/passwd"), read("etc/group")),
      isFileInImage: (path) => nodeAt(tree, path, true)?.kind === "file",
      defaults: world.templates(),
    },
    facts,
  );
  return {
    deployment,
    plan: planSwitch(undefined, deployment, { running: false, start: request.start, purge: false }, facts),
  };
}

/**
 * Puts the image into the store, the deployment beside the others, and the host's files in place. When it fails nothing
 * points at what is in the store already, and the session sweeps it.
 */
async function place(world: World, image: ImageAtHand, proposal: Proposal): Promise<Proposal> {
  const { deployment, plan } = proposal;
  const { paths } = world;
  image.publish();
  stageDeployment(
    paths.deployments,
    deployment,
    image.tree,
    image.stage?.repository ?? openRepository(paths.repository),
  );
  world.signal.throwIfAborted();
  // Starting is no part of what can be taken back: an image that was asked for stays, to be looked at.
  const changes = plan.changes.filter((change) => change.kind !== "start");
  await transact(
    { schema: 1, verb: "install", name: deployment.name, direction: "back", changes },
    transactionHost(world),
  );
  return proposal;
}

/** The bundle is run when the store's lock is free again: it may run for long. */
function stageOnce(world: World, image: ImageAtHand, { deployment }: Proposal): OnceBundle {
  image.publish();
  return writeOnceBundle(
    world.paths.once,
    deployment,
    image.tree,
    image.stage?.repository ?? openRepository(world.paths.repository),
  );
}

/** What runs once brings neither unit nor host files. */
function withoutHost(contract: Contract): Contract {
  return { ...contract, hostfs: [], manifest: { ...contract.manifest, noContainerService: true } };
}

function runsOnce(image: ImageAtHand): boolean {
  return image.config.labels["atomic.run"] === "once";
}

function announce(world: World, deployment: Deployment): void {
  for (const line of hostActionLines(deployment.hostActions)) world.output.message(line);
  for (const warning of deployment.warnings) world.output.warn(warning);
}

function answerLines(world: World, deployment: Deployment, started: boolean): readonly string[] {
  const { name, image, service } = deployment;
  const lines = [`installed ${name} from ${image.reference} (${image.digest})`];
  if (service === undefined) return [...lines, `${name} has no service of its own; its files are in place`];
  if (started) return [...lines, `started ${service.unit}`];
  const where = world.root.prefix === "" ? "" : " on the host this root becomes; enabled, it starts at boot";
  return [...lines, `start it with: systemctl start ${name}${service.enabled ? where : ""}`];
}
