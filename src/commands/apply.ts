import { resolve } from "node:path";
import { KeelsonError, statuses } from "../errors.ts";
import { readContainers, stageDeployment } from "../host/deployments.ts";
import { readStackFiles, type StackFiles, stackDirectoryOf } from "../host/stack-files.ts";
import { switchTo } from "../host/switch.ts";
import { shownPath } from "../layer/path.ts";
import { planAtBoot } from "../plan/at-boot.ts";
import type { Deployment } from "../plan/deployment.ts";
import { parseStack } from "../plan/stack.ts";
import type { SwitchPlan } from "../plan/switch.ts";
import { openRepository } from "../store/repository.ts";
import { asRootOnly, asWriter, hostFacts, transactionHost, type World } from "../world.ts";
import { answerLines, describeGroup, describeSteps, previewGroup } from "./apply/answer.ts";
import { type Group, type GroupRequest, planGroup } from "./apply/group.ts";
import { discardAll, type Found, findMembers, type ImagesRequest } from "./apply/members.ts";
import { announce } from "./propose.ts";
import { type ImageAtHand, planNames } from "./pull.ts";

export interface ApplyRequest extends ImagesRequest, GroupRequest {
  /** A stack file or a directory of them; the host's own directory without it. */
  readonly stack: string | undefined;
  /** Uninstall what the stack has brought and has no longer. */
  readonly prune: boolean;
  /** Have the host's own directory applied at every boot from now on, or no longer. */
  readonly enableAtBoot: boolean;
  readonly disableAtBoot: boolean;
  readonly dryRun: boolean;
}

/** A request without options. */
export const usualRequest = {
  prune: false,
  enableAtBoot: false,
  disableAtBoot: false,
  soak: "10s",
  force: false,
  allowWiden: false,
  offline: false,
  tlsVerify: true,
} as const;

/** What is to be done about a stack. */
interface Planned {
  readonly found: readonly Found[];
  readonly group: Group;
}

/**
 * Brings the containers of a stack to what it says, all of them in one transaction: what is new is installed and started, what
 * is another is updated, what is as it is to be is left alone. The exit status.
 */
export async function apply(world: World, request: ApplyRequest): Promise<number> {
  const stack = stackOf(world, request);
  if (request.dryRun) return preview(world, request, stack);
  const { found, group } = await asWriter(world, "apply", async () => {
    const planned = await planStack(world, request, stack);
    if (planned.group.plan.changes.length > 0) await carryOut(world, stack, planned.group);
    return planned;
  });
  for (const { named } of found) await named.remember();
  for (const path of group.plan.kept)
    world.output.warn(`${shownPath(path)} was changed since it was installed, and stays`);
  const lines = [...answerLines(found, group), ...bootLines(world, request)];
  world.output.answer(
    { ...describeGroup(stack.path, group), containers: describeSteps(found, group) },
    lines.length === 0 ? ["the stack is empty"] : lines,
  );
  return statuses.done;
}

function bootLines({ places }: World, { enableAtBoot, disableAtBoot }: ApplyRequest): readonly string[] {
  const stackDirectory = stackDirectoryOf(places.configuration);
  if (enableAtBoot) return [`${stackDirectory} is applied at every boot`];
  return disableAtBoot ? [`${stackDirectory} is no longer applied at boot`] : [];
}

/** What is applied at boot need not be there yet. */
function stackOf(world: World, { stack, enableAtBoot, disableAtBoot }: ApplyRequest): StackFiles {
  if (!enableAtBoot && !disableAtBoot) return readStackFiles(world.root, world.places, stack);
  asRootOnly(world, "apply --enable-at-boot");
  if (stack === undefined) return readStackFiles(world.root, world.places, undefined, true);
  throw new KeelsonError("E_USAGE", "at boot it is the host's own directory that is applied, and no other", {
    hint: `Put the stack into ${stackDirectoryOf(world.places.configuration)}, or leave out --enable-at-boot.`,
  });
}

/** Exit status 10 when there is something to do. */
async function preview(world: World, request: ApplyRequest, stack: StackFiles): Promise<number> {
  const { found, group } = await planStack(world, request, stack, world.scratch());
  try {
    const { document, lines } = previewGroup(world, stack.path, found, group);
    world.output.answer(document, lines);
    return group.plan.changes.length === 0 ? statuses.done : statuses.changes;
  } finally {
    discardAll(found);
  }
}

async function planStack(world: World, request: ApplyRequest, stack: StackFiles, scratch?: string): Promise<Planned> {
  const members = parseStack(stack.files);
  const before = readContainers(world.paths.deployments);
  const names = new Set(members.map(({ name }) => name));
  const orphans = before.flatMap((container) =>
    container.kind === "installed" && ownedBy(stack, container.deployment) && !names.has(container.name)
      ? [container.deployment]
      : [],
  );
  if (!request.prune)
    for (const { name } of orphans) world.output.message(`${name} is no longer in the stack; --prune uninstalls it`);
  const found = await findMembers(world, request, members, stack, scratch);
  try {
    const atBoot = bootPlan(world, request, stack);
    const group = await planGroup(world, request, found, request.prune ? orphans : [], before, atBoot);
    for (const { to } of group.steps) if (to !== undefined) announce(world, to);
    return { found, group };
  } catch (error) {
    if (scratch !== undefined) discardAll(found);
    throw error;
  }
}

/** At boot it is applied as it is now. */
function bootPlan(world: World, request: ApplyRequest, { path }: StackFiles): SwitchPlan | undefined {
  const { enableAtBoot, disableAtBoot, prune, allowWiden, force, offline, tlsVerify, bundle, soak } = request;
  if (disableAtBoot) return planAtBoot(undefined, hostFacts(world));
  if (!enableAtBoot) return undefined;
  const options = [
    ...(prune ? ["--prune"] : []),
    ...(force ? ["--force"] : []),
    ...(allowWiden ? ["--allow-widen"] : []),
    ...(offline ? ["--offline"] : []),
    ...(tlsVerify ? [] : ["--tls-verify=false"]),
    ...(soak === usualRequest.soak ? [] : ["--soak", soak]),
  ];
  const file = bundle && world.root.pathOnHost(resolve(bundle));
  return planAtBoot({ directory: path, bundle: file, options }, hostFacts(world));
}

function ownedBy(stack: StackFiles, deployment: Deployment): boolean {
  return deployment.stack !== undefined && stack.owns(deployment.stack.path);
}

/**
 * Images are in the store by now. Everything is staged before anything is touched, and one journal record leads to all of it or
 * to nothing.
 */
async function carryOut(world: World, stack: StackFiles, { steps, plan }: Group): Promise<void> {
  const { deployments, repository } = world.paths;
  const arriving: Deployment[] = [];
  const images: ImageAtHand[] = [];
  for (const { to, image } of steps) {
    if (to === undefined || image === undefined) continue;
    const source = { tree: image.tree, repository: openRepository(repository), publish: () => undefined };
    stageDeployment(world.root, deployments, to, source);
    arriving.push(to);
    images.push(image);
  }
  world.signal.throwIfAborted();
  const changes = [...plan.changes, ...planNames(world, images)];
  const record = { schema: 1, verb: "apply", name: stack.path, direction: "back", changes } as const;
  try {
    await switchTo(arriving, record, world.now().toISOString(), transactionHost(world));
  } catch (error) {
    throw takenBack(error, steps);
  }
}

function takenBack(error: unknown, steps: Group["steps"]): unknown {
  if (!(error instanceof KeelsonError) || (error.code !== "E_START" && error.code !== "E_UNHEALTHY")) return error;
  const lines = steps.map(({ name, from }) =>
    from === undefined ? `${name} is not installed` : `${name} is back on generation ${from.generation}`,
  );
  return new KeelsonError("E_UNHEALTHY", [error.message, ...lines].join("\n"), {
    hint: "keelson history shows what failed; mend the image or the stack and apply it again.",
    cause: error,
  });
}
