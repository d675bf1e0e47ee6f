import { statuses } from "../errors.ts";
import { readCurrent } from "../host/deployments.ts";
import { asItStands, readRunning, readTriggers } from "../host/service.ts";
import { transact } from "../host/transaction.ts";
import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import { describePlan } from "../plan/describe.ts";
import { describePreview, previewLines, previewSwitch } from "../plan/preview.ts";
import { refuseDisorder } from "../plan/refuse-order.ts";
import { planSwitch, type SwitchPlan } from "../plan/switch.ts";
import { asWriter, hostFacts, transactionHost, type World } from "../world.ts";
import { readContent } from "./propose.ts";

export interface UninstallRequest {
  readonly name: string;
  /** Remove the state that the image's tmpfiles lines declare, too. */
  readonly purge: boolean;
  /** Though others require it. */
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Takes a container off the host. What an administrator changed stays and is named. The exit status. */
export async function uninstall(world: World, request: UninstallRequest): Promise<number> {
  if (request.dryRun) {
    const from = await asItStands(readCurrent(world.paths.deployments, request.name), world.systemd);
    const seen = previewSwitch(from, undefined, await planRemoval(world, request, from), readContent(world));
    world.output.answer({ name: request.name, ...describePreview(seen) }, previewLines(seen));
    return statuses.changes;
  }
  const plan = await asWriter(world, "uninstall", async () => {
    const deployment = await asItStands(readCurrent(world.paths.deployments, request.name), world.systemd);
    const removal = await planRemoval(world, request, deployment);
    const { changes } = removal;
    await transact(
      { schema: 1, verb: "uninstall", name: request.name, direction: "forward", changes },
      transactionHost(world),
    );
    return removal;
  });
  for (const path of plan.kept)
    world.output.warn(`${shownPath(path)} stays: it was changed since, or is not this container's alone`);
  world.output.answer({ name: request.name, ...describePlan(plan) }, [`uninstalled ${request.name}`]);
  return statuses.done;
}

async function planRemoval(world: World, request: UninstallRequest, deployment: Deployment): Promise<SwitchPlan> {
  const running = await readRunning(deployment, world.systemd);
  const triggers = await readTriggers(deployment, world.systemd);
  const facts = hostFacts(world);
  if (!request.force) refuseDisorder(new Map([[deployment.name, undefined]]), facts);
  return planSwitch(deployment, undefined, { running, triggers, start: false, purge: request.purge }, facts);
}
