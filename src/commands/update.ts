import { parseSoak } from "../contract/health.ts";
import { changeSet } from "../contract/values.ts";
import { KeelsonError, statuses } from "../errors.ts";
import { readContainers, readCurrent, stageDeployment } from "../host/deployments.ts";
import { asItStands, readDependents, readInterrupted } from "../host/service.ts";
import { switchTo } from "../host/switch.ts";
import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describeDeployment, describePlan } from "../plan/describe.ts";
import { describePreview, previewLines, previewSwitch } from "../plan/preview.ts";
import { refuseWidening } from "../plan/privileges.ts";
import { refuseDisorder } from "../plan/refuse-order.ts";
import { planSwitch, type SwitchPlan } from "../plan/switch.ts";
import { asWriter, hostFacts, transactionHost, type World } from "../world.ts";
import { type Answered, forEach } from "./each.ts";
import { type NamedImage, nameNext } from "./name.ts";
import { announce, keptFrom, propose, readContent, sameInput } from "./propose.ts";
import { deploymentSource, type ImageAtHand, planNames } from "./pull.ts";
import { imageFor } from "./renew.ts";

export interface UpdateRequest {
  readonly name?: string | undefined;
  /** All containers, one after the other, instead of the one of that name. */
  readonly all: boolean;
  /** Another image to go over to. */
  readonly rebase?: string | undefined;
  readonly set: readonly string[];
  readonly unset: readonly string[];
  /** Start it though it was not running. */
  readonly start: boolean;
  /** Switch without stopping what runs; the next start has the new deployment. */
  readonly restart: boolean;
  /** How long the new deployment has to stay up: `10s`. */
  readonly soak: string;
  /** The path of an archive to take the image from; nobody else is asked. */
  readonly bundle?: string | undefined;
  /** Take the image as the store has it. */
  readonly offline: boolean;
  /** Also when the container may do more than before. */
  readonly allowWiden: boolean;
  /** Though services would not find what they require, or have no order. */
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly tlsVerify: boolean;
}

type Settled = Omit<UpdateRequest, "bundle"> & Pick<NamedImage, "bundle">;

interface Update {
  readonly from: Deployment;
  readonly to: Deployment;
  readonly plan: SwitchPlan;
}

/**
 * Brings one container, or all, to what their images are now. Of all, one that fails stops no other. The exit status: 1
 * when one of all failed.
 */
export async function update(world: World, request: UpdateRequest): Promise<number> {
  checkUsage(request);
  if (request.name !== undefined) {
    const { status, document, lines } = await updateOne(world, request, request.name);
    world.output.answer(document, lines);
    return status;
  }
  const names = readContainers(world.paths.deployments).map(({ name }) => name);
  return forEach(world, names, (name) => updateOne(world, request, name));
}

function checkUsage({ name, all, rebase, set, unset }: UpdateRequest): void {
  if (all ? name === undefined && rebase === undefined && set.length + unset.length === 0 : name !== undefined) return;
  const message = "update takes the name of a container, or --all without a name, --rebase, --set and --unset";
  throw new KeelsonError("E_USAGE", message, { hint: "keelson list shows the names." });
}

async function updateOne(world: World, given: UpdateRequest, name: string): Promise<Answered> {
  const named = await nameNext(world, given, () => readCurrent(world.paths.deployments, name).image.reference);
  const request = { ...given, rebase: named?.image, bundle: named?.bundle };
  if (request.dryRun) return preview(world, request, name);
  const done = await asWriter(world, "update", async () => {
    const wanted = wantedOf(world, request, name);
    const image = await imageOf(world, request, wanted);
    if (image === undefined) return undefined;
    try {
      const planned = await planUpdate(world, request, wanted, image);
      if (!request.allowWiden) refuseWidening(planned.from, planned.to);
      await apply(world, image, planned);
      return planned;
    } finally {
      image.stage?.discard();
    }
  });
  await named?.remember();
  if (done === undefined) return upToDate(name);
  for (const path of done.plan.kept)
    world.output.warn(`${shownPath(path)} was changed since it was installed, and stays`);
  const line = `updated ${name} from generation ${done.from.generation} to ${done.to.generation} (${done.to.image.digest})`;
  const document = { ...describeDeployment(done.to), ...describePlan(done.plan), updated: true };
  return { status: statuses.done, document, lines: [line] };
}

/** Exit status 10 when there is something to do. */
async function preview(world: World, request: Settled, name: string): Promise<Answered> {
  const wanted = wantedOf(world, request, name);
  const image = await imageOf(world, request, wanted, world.scratch());
  if (image === undefined) return upToDate(name);
  try {
    const { from, to, plan } = await planUpdate(world, request, wanted, image);
    const seen = previewSwitch(from, to, plan, readContent(world, image), image.fetched);
    const document = { ...describeDeployment(to), ...describePreview(seen) };
    return { status: statuses.changes, document, lines: previewLines(seen) };
  } finally {
    image.stage?.discard();
  }
}

function upToDate(name: string): Answered {
  const lines = [`${name}: Latest version already installed.`];
  return { status: statuses.done, document: { name, updated: false, changes: [] }, lines };
}

/** What a container is to be. */
interface Wanted {
  readonly from: Deployment;
  readonly image: string;
  readonly set: ReadonlyMap<string, string>;
  /** Values and overrides are what they were: only another image makes a difference. */
  readonly same: boolean;
}

function wantedOf(world: World, request: Settled, name: string): Wanted {
  const from = readCurrent(world.paths.deployments, name);
  const set = changeSet(from.set, request.set, request.unset);
  const same = sameInput(world, from, set, from.stack);
  return { from, image: request.rebase ?? from.image.reference, set, same };
}

/** The image to go over to; undefined when there is nothing to do. */
function imageOf(
  world: World,
  { bundle, offline, tlsVerify }: Settled,
  { from, image, same }: Wanted,
  scratch?: string,
): Promise<ImageAtHand | undefined> {
  const { platform } = from.image;
  return imageFor(world, { from, image, bundle, same, platform, tlsVerify, offline }, scratch);
}

async function planUpdate(
  world: World,
  request: Settled,
  { from: installed, set }: Wanted,
  image: ImageAtHand,
): Promise<Update> {
  const from = await asItStands(installed, world.systemd);
  const { service, stack, name } = from;
  const enable = service?.enabled ?? true;
  const to = await propose(world, { ...keptFrom(world, from), set, enable, stack }, name, image);
  announce(world, to);
  const interrupted = request.restart ? await readInterrupted(from, world.systemd) : { running: false };
  const dependents = await readDependents(from, world.systemd);
  const facts = hostFacts(world);
  if (!request.force) refuseDisorder(new Map([[to.name, to]]), facts);
  const soak = parseSoak(request.soak);
  const plan = planSwitch(from, to, { ...interrupted, start: request.start, dependents, soak, purge: false }, facts);
  return { from, to, plan };
}

/** A failure puts the earlier deployment back, running if it ran; the new one stays on disk, marked, to be looked at. */
async function apply(world: World, image: ImageAtHand, { from, to, plan }: Update): Promise<void> {
  stageDeployment(world.root, world.paths.deployments, to, deploymentSource(world, image));
  const changes = [...plan.changes, ...planNames(world, [image])];
  world.signal.throwIfAborted();
  const record = { schema: 1, verb: "update", name: to.name, direction: "back", changes } as const;
  try {
    await switchTo([to], record, world.now().toISOString(), transactionHost(world));
  } catch (error) {
    throw rolledBack(error, from);
  }
}

function rolledBack(error: unknown, from: Deployment): unknown {
  if (!(error instanceof KeelsonError) || (error.code !== "E_START" && error.code !== "E_UNHEALTHY")) return error;
  return new KeelsonError("E_UNHEALTHY", `${error.message}\n${from.name} is back on generation ${from.generation}`, {
    hint: `keelson history ${from.name} shows the failed one; mend the image and update again.`,
    cause: error,
  });
}
