import { parseSoak } from "../../contract/health.ts";
import type { InstalledContainer } from "../../host/deployments.ts";
import { asItStands, readDependents, readInterrupted } from "../../host/service.ts";
import type { HostChange } from "../../plan/change.ts";
import type { Deployment } from "../../plan/deployment.ts";
import type { HostFacts } from "../../plan/facts.ts";
import { factsAfter } from "../../plan/facts-after.ts";
import { joinPlans } from "../../plan/group.ts";
import { type Changed, hostAfter, membersAfter, membersOf } from "../../plan/members.ts";
import { readGraph, startOrder } from "../../plan/order.ts";
import { refuseWidening } from "../../plan/privileges.ts";
import { refuseDisorder } from "../../plan/refuse-order.ts";
import { planSwitch, type SwitchPlan, type SwitchRequest } from "../../plan/switch.ts";
import { hostFacts, type World } from "../../world.ts";
import { keptFrom, propose } from "../propose.ts";
import type { ImageAtHand } from "../pull.ts";
import type { Found } from "./members.ts";

export interface GroupRequest {
  readonly soak: string;
  readonly force: boolean;
  readonly allowWiden: boolean;
}

/** What becomes of one container. */
export interface Step {
  readonly name: string;
  readonly from: Deployment | undefined;
  readonly to: Deployment | undefined;
  readonly image?: ImageAtHand | undefined;
  readonly plan: SwitchPlan;
}

/** What becomes of several at once. */
export interface Group {
  /** In the order in which they are changed: those that go first, then those that come up after each other. */
  readonly steps: readonly Step[];
  readonly plan: SwitchPlan;
}

interface Intent extends Omit<Step, "plan"> {
  readonly request: SwitchRequest;
}

/**
 * Renders and checks every container that changes, and plans them as one, with what is to be done `besides`. Nothing is
 * written. Throws what a single one can be refused for.
 */
export async function planGroup(
  world: World,
  request: GroupRequest,
  found: readonly Found[],
  leaving: readonly Deployment[],
  before: readonly InstalledContainer[],
  besides: SwitchPlan = { changes: [], kept: [] },
): Promise<Group> {
  const changing = found.filter(({ image }) => image !== undefined);
  if (changing.length + leaving.length === 0) return { steps: [], plan: besides };
  const facts = hostFacts(world, before);
  const gone = new Set(leaving.map(({ name }) => `${name}.service`));
  const order = orderOf(new Map(), facts);
  const standing = await Promise.all(leaving.map((from) => asItStands(from, world.systemd)));
  const removals = await Promise.all(standing.map((from) => intentOf(world, request, from, undefined, gone)));
  const going = sorted(removals, order).toReversed();
  const proposed = await proposeAll(world, request, changing, going, before, gone);
  const changed: Changed = new Map([...going, ...proposed].map(({ name, to }) => [name, to]));
  if (!request.force) refuseDisorder(changed, facts);
  for (const { from, to } of proposed)
    if (!request.allowWiden && from !== undefined && to !== undefined) refuseWidening(from, to);
  const intents = [...going, ...sorted(proposed, orderOf(changed, facts))];
  const after = intents.reduce(({ containers }, intent) => ({ containers: replaced(containers, intent, intent.to) }), {
    containers: before,
  }).containers;
  const steps = planSteps(world, intents, (intent) => replaced(after, intent, intent.from));
  const plans = (names: readonly Step[]): readonly SwitchPlan[] => names.map(({ plan }) => plan);
  return { steps, plan: joinPlans([...plans(steps), besides], plans(sorted(steps, order).toReversed())) };
}

/** Names of containers with services, each behind those it starts after, once they are what `changed` says. */
function orderOf(changed: Changed, facts: HostFacts): readonly string[] {
  const members = changed.size === 0 ? membersOf(facts.installed) : membersAfter(facts.installed, changed);
  const { edges } = readGraph(members, hostAfter(changed, facts));
  return startOrder(members, edges).map(({ name }) => name);
}

/** What has no service, and so no place in the order, comes first. */
function sorted<T extends { readonly name: string }>(items: readonly T[], order: readonly string[]): readonly T[] {
  return items.toSorted((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
}

/** Proposes each as if those before it were in place, so that two that want the same path are found out. */
async function proposeAll(
  world: World,
  request: GroupRequest,
  changing: readonly Found[],
  going: readonly Intent[],
  before: readonly InstalledContainer[],
  gone: ReadonlySet<string>,
): Promise<readonly Intent[]> {
  let containers = going.reduce((all, intent) => replaced(all, intent, undefined), before);
  const made: HostChange[] = planSteps(world, going, () => before).flatMap(({ plan }) => plan.changes);
  const proposed: Intent[] = [];
  for (const each of changing) {
    const from = each.from && (await asItStands(each.from, world.systemd));
    const facts = factsAfter(hostFacts(world, containers), made);
    const to = await proposeMember(world, each, from, facts);
    const intent = await intentOf(world, request, from, { to, found: each }, gone);
    made.push(...planSwitch(from, to, intent.request, facts).changes);
    containers = replaced(containers, intent, to);
    proposed.push(intent);
  }
  return proposed;
}

function proposeMember(
  world: World,
  { member, image }: Found,
  from: Deployment | undefined,
  facts: HostFacts,
): Promise<Deployment> {
  if (image === undefined) throw new Error(`${member.name} does not change`);
  const { set, stack, name } = member;
  // Whether it is enabled is the administrator's to change, until the stack says something else than before.
  const kept = from?.service !== undefined && (from.stack ?? stack).enable === stack.enable;
  const enable = kept ? from.service.enabled : stack.enable;
  return propose(world, { ...keptFrom(world, from), set, enable, stack }, name, image, facts);
}

/** How it goes over. Services of containers that go are not stopped and started with what they lean on, and not watched. */
async function intentOf(
  world: World,
  { soak }: GroupRequest,
  from: Deployment | undefined,
  next: { readonly to: Deployment; readonly found: Found } | undefined,
  gone: ReadonlySet<string>,
): Promise<Intent> {
  const name = next?.to.name ?? from?.name ?? "";
  const { requiring, wanting } =
    from === undefined ? { requiring: [], wanting: [] } : await readDependents(from, world.systemd);
  const staying = (units: readonly string[]): readonly string[] => units.filter((unit) => !gone.has(unit));
  const request = {
    ...(from === undefined || next?.found.adopted === true
      ? { running: false }
      : await readInterrupted(from, world.systemd)),
    start: from === undefined && next?.found.member.start === true && world.systemd.running,
    dependents: { requiring: staying(requiring), wanting: staying(wanting) },
    soak: parseSoak(soak),
    purge: false,
  };
  return { name, from, to: next?.to, image: next?.found.image, request };
}

/** Plans one after the other, each for the host as those before it leave it. */
function planSteps(
  world: World,
  intents: readonly Intent[],
  containersFor: (intent: Intent) => readonly InstalledContainer[],
): readonly Step[] {
  const made: HostChange[] = [];
  return intents.map((intent) => {
    const { name, from, to, image, request } = intent;
    const plan = planSwitch(from, to, request, factsAfter(hostFacts(world, containersFor(intent)), made));
    made.push(...plan.changes);
    return { name, from, to, image, plan };
  });
}

function replaced(
  containers: readonly InstalledContainer[],
  { name }: Pick<Intent, "name">,
  deployment: Deployment | undefined,
): readonly InstalledContainer[] {
  const others = containers.filter((container) => container.name !== name);
  if (deployment === undefined) return others;
  const own: InstalledContainer = { kind: "installed", name, deployment };
  return [...others, own].toSorted((one, other) => (one.name < other.name ? -1 : 1));
}
