import { forcedVariables, parseSet } from "../contract/values.ts";
import { KeelsonError, statuses } from "../errors.ts";
import { readContainers, stageDeployment } from "../host/deployments.ts";
import { sweepGenerations, writeOutcome } from "../host/generations.ts";
import { asWriter } from "../host/session.ts";
import { transact } from "../host/transaction.ts";
import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describeDeployment, describePlan, planLines } from "../plan/describe.ts";
import { planSwitch, type SwitchPlan } from "../plan/switch.ts";
import { openRepository } from "../store/repository.ts";
import { transactionHost, type World } from "../world.ts";
import { announce, currentOf, dependentsOf, factsOf, isRunning, propose, soakOf } from "./propose.ts";
import { fetchImage, type ImageAtHand, platformOf, readReference, storedImage } from "./pull.ts";

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
  /** Take the image as the store has it. */
  readonly offline: boolean;
  readonly dryRun: boolean;
  readonly tlsVerify: boolean;
}

interface Update {
  readonly from: Deployment;
  readonly to: Deployment;
  readonly plan: SwitchPlan;
}

/** Brings one container, or all, to what their images are now. The exit status: that of the last one that failed. */
export async function update(world: World, request: UpdateRequest): Promise<number> {
  checkUsage(request);
  if (request.name !== undefined) return updateOne(world, request, request.name);
  let status = 0;
  for (const { name } of readContainers(world.paths.deployments)) {
    try {
      await updateOne(world, request, name);
    } catch (error) {
      if (!(error instanceof KeelsonError)) throw error;
      world.output.warn(`${name}: ${error.message}`);
      status = 1;
    }
  }
  return status;
}

function checkUsage({ name, all, rebase, set, unset }: UpdateRequest): void {
  if (all ? name === undefined && rebase === undefined && set.length + unset.length === 0 : name !== undefined) return;
  throw new KeelsonError(
    "E_USAGE",
    "update takes the name of a container, or --all without a name, --rebase, --set and --unset",
    {
      hint: "keelson list shows the names.",
    },
  );
}

async function updateOne(world: World, request: UpdateRequest, name: string): Promise<number> {
  if (request.dryRun) return preview(world, request, name);
  const done = await asWriter("update", world.paths, transactionHost(world), world.output.message, async () => {
    const from = currentOf(world, name);
    const image = await imageFor(world, request, from);
    try {
      const planned = await planUpdate(world, request, from, image);
      if (planned !== undefined) await apply(world, image, planned);
      return planned;
    } finally {
      image.stage?.discard();
    }
  });
  if (done === undefined) return upToDate(world, name);
  for (const path of done.plan.kept)
    world.output.warn(`${shownPath(path)} was changed since it was installed, and stays`);
  const line = `updated ${name} from generation ${done.from.generation} to ${done.to.generation} (${done.to.image.digest})`;
  world.output.answer({ ...describeDeployment(done.to), ...describePlan(done.plan), updated: true }, [line]);
  return 0;
}

/** Exit status 10 when there is something to do. */
async function preview(world: World, request: UpdateRequest, name: string): Promise<number> {
  const from = currentOf(world, name);
  const image = await imageFor(world, request, from, world.scratch());
  try {
    const planned = await planUpdate(world, request, from, image);
    if (planned === undefined) return upToDate(world, name);
    world.output.answer({ ...describeDeployment(planned.to), ...describePlan(planned.plan) }, planLines(planned.plan));
    return statuses.changes;
  } finally {
    image.stage?.discard();
  }
}

function upToDate(world: World, name: string): number {
  world.output.answer({ name, updated: false, changes: [] }, [`${name}: Latest version already installed.`]);
  return 0;
}

async function imageFor(
  world: World,
  request: UpdateRequest,
  from: Deployment,
  scratch?: string,
): Promise<ImageAtHand> {
  const image = request.rebase ?? from.image.reference;
  const platform = from.image.platform;
  if (request.offline) {
    const stored = storedImage(world, readReference(image), platformOf(platform));
    if (stored !== undefined) return stored;
    throw new KeelsonError("E_NOT_FOUND", `${image} is not in the store`, { hint: "Pull it, or leave out --offline." });
  }
  const options = scratch === undefined ? { kept: false } : { kept: false, scratch };
  return fetchImage(world, { image, platform, tlsVerify: request.tlsVerify }, options);
}

/** What the update would do; undefined when image and values are what they were. */
async function planUpdate(
  world: World,
  request: UpdateRequest,
  from: Deployment,
  image: ImageAtHand,
): Promise<Update | undefined> {
  const set = new Map([...Object.entries(from.set), ...parseSet(request.set)]);
  for (const name of request.unset) {
    if (forcedVariables.includes(name))
      throw new KeelsonError("E_SET", `${name} is set by keelson`, { hint: "Leave it out." });
    set.delete(name);
  }
  const same = JSON.stringify([...set].sort()) === JSON.stringify(Object.entries(from.set).sort());
  if (same && image.image.digest === from.image.digest && request.rebase === undefined) return undefined;
  const { rootfs, runtime, service } = from;
  const uuid = String(from.values.UUID ?? world.uuid());
  const to = await propose(
    world,
    { set, uuid, runtime, rootfs, enable: service?.enabled ?? true, keepExisting: false },
    from.name,
    image,
  );
  announce(world, to);
  const running = request.restart && (await isRunning(world, from));
  const dependents = await dependentsOf(world, from);
  const plan = planSwitch(
    from,
    to,
    { running, start: request.start, dependents, soak: soakOf(request.soak), purge: false },
    factsOf(world),
  );
  return { from, to, plan };
}

/** A failure puts the earlier deployment back, running if it ran; the new one stays on disk, marked, to be looked at. */
async function apply(world: World, image: ImageAtHand, { from, to, plan }: Update): Promise<void> {
  const { deployments, repository } = world.paths;
  image.publish();
  stageDeployment(deployments, to, image.tree, image.stage?.repository ?? openRepository(repository));
  world.signal.throwIfAborted();
  const record = { schema: 1, verb: "update", name: to.name, direction: "back", changes: plan.changes } as const;
  const at = world.now().toISOString();
  try {
    await transact(record, transactionHost(world));
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    writeOutcome(deployments, to.name, to.generation, { state: "failed", at, reason });
    sweepGenerations(deployments, to.name, world.settings.keep);
    throw rolledBack(error, from);
  }
  writeOutcome(deployments, to.name, to.generation, { state: "good", at, reason: "" });
  sweepGenerations(deployments, to.name, world.settings.keep);
}

function rolledBack(error: unknown, from: Deployment): unknown {
  if (!(error instanceof KeelsonError) || (error.code !== "E_START" && error.code !== "E_UNHEALTHY")) return error;
  return new KeelsonError("E_UNHEALTHY", `${error.message}\n${from.name} is back on generation ${from.generation}`, {
    hint: `keelson history ${from.name} shows the failed one; mend the image and update again.`,
    cause: error,
  });
}
