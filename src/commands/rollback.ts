import { parseSoak } from "../contract/health.ts";
import { KeelsonError, statuses } from "../errors.ts";
import { readCurrent } from "../host/deployments.ts";
import { type Generation, readGenerations } from "../host/generations.ts";
import { asItStands, readDependents, readInterrupted, withEnabled } from "../host/service.ts";
import { transact } from "../host/transaction.ts";
import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describeDeployment, describePlan } from "../plan/describe.ts";
import { describePreview, previewLines, previewSwitch } from "../plan/preview.ts";
import { refuseDisorder } from "../plan/refuse-order.ts";
import { planSwitch, type SwitchPlan } from "../plan/switch.ts";
import { asWriter, hostFacts, transactionHost, type World } from "../world.ts";
import { readContent } from "./propose.ts";

export interface RollbackRequest {
  readonly name: string;
  /** The generation to go to; undefined: the last good one before the current. */
  readonly to?: string | undefined;
  readonly soak: string;
  /** Though services would not find what they require, or have no order. */
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Goes back to an earlier deployment, which is all there: nothing is rendered, nothing fetched. The exit status. */
export async function rollback(world: World, request: RollbackRequest): Promise<number> {
  if (request.dryRun) {
    const { from, to, plan } = await planRollback(world, request);
    const seen = previewSwitch(from, to, plan, readContent(world));
    world.output.answer({ ...describeDeployment(to), ...describePreview(seen) }, previewLines(seen));
    return plan.changes.length === 0 ? statuses.done : statuses.changes;
  }
  const { to, plan } = await asWriter(world, "rollback", async () => {
    const planned = await planRollback(world, request);
    const { changes } = planned.plan;
    await transact(
      { schema: 1, verb: "rollback", name: request.name, direction: "back", changes },
      transactionHost(world),
    );
    return planned;
  });
  for (const path of plan.kept) world.output.warn(`${shownPath(path)} was changed since it was installed, and stays`);
  world.output.answer({ ...describeDeployment(to), ...describePlan(plan) }, [
    `${request.name} is on generation ${to.generation} (${to.image.digest})`,
  ]);
  return 0;
}

async function planRollback(
  world: World,
  request: RollbackRequest,
): Promise<{ readonly from: Deployment; readonly to: Deployment; readonly plan: SwitchPlan }> {
  const from = await asItStands(readCurrent(world.paths.deployments, request.name), world.systemd);
  const recorded = target(readGenerations(world.paths.deployments, request.name), from, request);
  const to = from.service === undefined ? recorded : withEnabled(recorded, from.service.enabled);
  const interrupted = await readInterrupted(from, world.systemd);
  const dependents = await readDependents(from, world.systemd);
  const facts = hostFacts(world);
  if (!request.force) refuseDisorder(new Map([[to.name, to]]), facts);
  const soak = parseSoak(request.soak);
  const plan = planSwitch(from, to, { ...interrupted, start: false, dependents, soak, purge: false }, facts);
  return { from, to, plan };
}

function target(generations: readonly Generation[], from: Deployment, request: RollbackRequest): Deployment {
  const wanted = generations.filter(({ number, current, outcome }) =>
    request.to === undefined
      ? number < from.generation && outcome?.state !== "failed"
      : String(number) === request.to && !current,
  );
  const deployment = wanted.at(-1)?.deployment;
  if (deployment !== undefined) return deployment;
  const what = request.to === undefined ? "no earlier deployment to roll back to" : `no other deployment ${request.to}`;
  throw new KeelsonError("E_NOT_FOUND", `${request.name} has ${what}`, {
    hint: `keelson history ${request.name} lists what there is.`,
  });
}
