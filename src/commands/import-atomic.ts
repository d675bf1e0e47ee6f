import { parseContract } from "../contract/contract.ts";
import { parseSoak } from "../contract/health.ts";
import { KeelsonError, statuses } from "../errors.ts";
import { atomicNames, readAtomic } from "../host/atomic.ts";
import { readContainer, stageDeployment } from "../host/deployments.ts";
import { transact } from "../host/transaction.ts";
import type { UnitState } from "../host/unit-state.ts";
import { hostPlatform } from "../image/platform.ts";
import { shownPath } from "../layer/path.ts";
import { type AtomicContainer, imageNameOf, refusedAtomic } from "../plan/atomic.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describeDeployment, describePlan } from "../plan/describe.ts";
import { deploymentOfAtomic, editedConfig, factsOfAtomic, givenValues, planTakeOver } from "../plan/import-atomic.ts";
import { checkName } from "../plan/name.ts";
import { describePreview, previewLines, previewSwitch } from "../plan/preview.ts";
import { refuseDisorder } from "../plan/refuse-order.ts";
import type { SwitchPlan } from "../plan/switch.ts";
import { openPackedTree } from "../source/packed-tree.ts";
import { readExports } from "../store/exports.ts";
import { readReference } from "../store/find-images.ts";
import { readTreeTar } from "../store/tree-tar.ts";
import { asRootOnly, asWriter, hostFacts, transactionHost, type World } from "../world.ts";
import { type Answered, forEach } from "./each.ts";
import { nameImage } from "./name.ts";
import { announce, propose, readContent } from "./propose.ts";
import { deploymentSource, type ImageAtHand, planNames, stageImage } from "./pull.ts";

export interface ImportAtomicRequest {
  /** Every container that atomic has, instead of the one of a name. */
  readonly all: boolean;
  /** Where the image comes from now. */
  readonly image?: string | undefined;
  /** Start it, or switch it where it runs. */
  readonly start: boolean;
  /** How long what was started has to stay up: `10s`. */
  readonly soak: string;
  /** Though services would not find what they require, or have no order. */
  readonly force: boolean;
  readonly dryRun: boolean;
}

interface TakeOver {
  readonly from: Deployment;
  readonly to: Deployment;
  readonly plan: SwitchPlan;
  /** What cannot be expressed, a line each. */
  readonly lost: readonly string[];
}

/**
 * Takes over containers that `atomic install --system` has installed, in one transaction each: the tree that is on the disk
 * becomes an image under its reference, and the unit keelson's. The exit status: 1 when one of all failed.
 */
export async function importAtomic(
  world: World,
  name: string | undefined,
  request: ImportAtomicRequest,
): Promise<number> {
  asRootOnly(world, "import atomic");
  if (request.all === (name !== undefined) || (request.all && request.image !== undefined)) {
    throw new KeelsonError(
      "E_USAGE",
      "import atomic takes the name of a container, or --all without a name and --image",
      {
        hint: "The names are those of links in /var/lib/containers/atomic.",
      },
    );
  }
  if (name === undefined) return forEach(world, atomicNames(world.root), (each) => importOne(world, request, each));
  const { status, document, lines } = await importOne(world, request, name);
  world.output.answer(document, lines);
  return status;
}

async function importOne(world: World, request: ImportAtomicRequest, given: string): Promise<Answered> {
  const name = checkName(given);
  const atomic = readAtomic(world.root, name);
  const named = await nameImage(world, { image: request.image ?? imageNameOf(atomic), tlsVerify: true });
  if (request.dryRun) return preview(world, request, atomic, named.image);
  const done = await asWriter(world, "import", async () => {
    checkAbsent(world, name);
    const image = await stageTree(world, atomic, named.image);
    try {
      const planned = await planImport(world, request, atomic, image);
      await apply(world, image, planned);
      return planned;
    } finally {
      image.stage?.discard();
    }
  });
  await named.remember();
  return answered(world, atomic, done);
}

async function preview(
  world: World,
  request: ImportAtomicRequest,
  atomic: AtomicContainer,
  reference: string,
): Promise<Answered> {
  checkAbsent(world, atomic.name);
  const image = await stageTree(world, atomic, reference, world.scratch());
  try {
    const { from, to, plan, lost } = await planImport(world, request, atomic, image);
    const seen = previewSwitch(from, to, plan, readContent(world, image), image.fetched);
    const document = { ...describeDeployment(to), ...describePreview(seen), lost };
    return { status: statuses.changes, document, lines: previewLines(seen) };
  } finally {
    image.stage?.discard();
  }
}

/** What an interrupted import has left is not there any more when this is asked by a writer. */
function checkAbsent(world: World, name: string): void {
  if (readContainer(world.paths.deployments, name) === undefined) return;
  throw new KeelsonError("E_PRESENT", `${name} already present`, { hint: "It is a container of keelson's." });
}

/** The tree on the disk as an image of one layer, called by the reference. The policy decides about it as about any other. */
async function stageTree(
  world: World,
  { name, directory, info }: AtomicContainer,
  reference: string,
  scratch?: string,
): Promise<ImageAtHand> {
  const platform = hostPlatform(process.arch);
  const root = world.root.path(`${directory}/rootfs`);
  const created = new Date(1000 * info.created).toISOString();
  const source = openPackedTree({ name, created, platform, readTar: () => readTreeTar(root) });
  const offered = await source.resolve(platform);
  const offer = { reference: readReference(reference), source, offered, tlsVerify: true };
  return stageImage(world, offer, { kept: false, ...(scratch === undefined ? {} : { scratch }) });
}

async function planImport(
  world: World,
  request: ImportAtomicRequest,
  atomic: AtomicContainer,
  image: ImageAtHand,
): Promise<TakeOver> {
  const { name } = atomic;
  const unit = `${name}.service`;
  const contract = parseContract(readExports(image.tree, image.readFile, world.settings.templateSize));
  const facts = factsOfAtomic(atomic, contract, hostFacts(world));
  const state = (await world.systemd.states([unit])).get(unit);
  const running = runs(world, state);
  if (running && !request.start) {
    throw refusedAtomic(name, "it is running", `Stop it with systemctl stop ${name}, or switch it with --start.`);
  }
  const enable = state?.unitFileState === "enabled";
  const { set, uuid = world.uuid(), lost } = givenValues(atomic, contract);
  const edits = editedConfig(atomic, contract);
  const runtime = runtimeOf(world, atomic);
  const proposal = { set, uuid, runtime, listen: [], enable, keepExisting: true };
  const to = await propose(world, proposal, name, image, facts);
  const from = deploymentOfAtomic(atomic, to, enable, facts);
  if (!request.force) refuseDisorder(new Map([[name, to]]), facts);
  for (const line of [...lost, ...edits]) world.output.warn(`cannot be expressed: ${line}`);
  announce(world, to);
  const dependents = running ? await world.systemd.dependents(unit) : { requiring: [], wanting: [] };
  const start = request.start && world.systemd.running;
  const how = { running, start, dependents, soak: parseSoak(request.soak), purge: false };
  return { from, to, plan: planTakeOver(atomic, from, to, how, facts), lost: [...lost, ...edits] };
}

function runs(world: World, state: UnitState | undefined): boolean {
  return world.systemd.running && state !== undefined && !["inactive", "failed"].includes(state.activeState);
}

/** atomic's, where it is there; else the one that keelson finds. */
function runtimeOf({ root }: World, { info: { runtime } }: AtomicContainer): string | undefined {
  return runtime?.startsWith("/") && root.at(runtime).kind !== "missing" ? runtime : undefined;
}

/** A failure, also of what was started, leaves the host to atomic as it was. */
async function apply(world: World, image: ImageAtHand, { to, plan }: TakeOver): Promise<void> {
  stageDeployment(world.root, world.paths.deployments, to, deploymentSource(world, image));
  world.signal.throwIfAborted();
  const changes = [...plan.changes, ...planNames(world, [image])];
  try {
    await transact({ schema: 1, verb: "import", name: to.name, direction: "back", changes }, transactionHost(world));
  } catch (error) {
    if (!(error instanceof KeelsonError) || (error.code !== "E_START" && error.code !== "E_UNHEALTHY")) throw error;
    throw new KeelsonError("E_UNHEALTHY", `${error.message}\n${to.name} is atomic's again`, {
      hint: `journalctl -u ${to.name} says more.`,
      cause: error,
    });
  }
}

function answered(world: World, { paths }: AtomicContainer, { to, plan, lost }: TakeOver): Answered {
  for (const path of plan.kept) world.output.warn(`${shownPath(path)} was changed since atomic wrote it, and stays`);
  const started = plan.changes.some(({ kind }) => kind === "start");
  const remove = `rm -rf ${paths.join(" ")}`;
  const lines = [
    `imported ${to.name} as ${to.image.reference} (${to.image.digest})`,
    started ? `started ${to.name}.service` : `start it with: systemctl start ${to.name}`,
    `what atomic keeps of it is left, and can be removed with: ${remove}`,
  ];
  const document = { ...describeDeployment(to), ...describePlan(plan), lost, started, remove };
  return { status: statuses.done, document, lines };
}
