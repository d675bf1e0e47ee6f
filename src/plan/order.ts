import { type HostUnits, type Member, providersOf } from "./members.ts";
import { isRemoteMount, mountUnitsOf } from "./mounts.ts";
import { waitsForNetwork } from "./phase.ts";
import { recoveryUnit } from "./recovery.ts";
import { relationText } from "./relation-files.ts";
import { readUnitRelations, type UnitRelations } from "./unit-relations.ts";

/** What leads from one unit to another. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  /** `after`: `from` starts when `to` has; the others: `from` pulls `to` in, `requires` fails without it. */
  readonly kind: "after" | "wants" | "upholds" | "requires";
  /** systemd, or keelson, adds it to every service by itself. */
  readonly implied?: true;
}

/** The services of a host's containers and the units they have to do with. */
export interface UnitGraph {
  /** Every unit that an edge leads from or to, and every member's, in the order they were met. */
  readonly units: readonly string[];
  readonly edges: readonly Edge[];
}

/** Something about the order of services that is not as their images want it. */
export type OrderProblem =
  | { readonly kind: "missing"; readonly member: Member; readonly wanted: string }
  /** A service of a phase without a network would wait for it, each of the units for the next. */
  | { readonly kind: "phase"; readonly member: Member; readonly units: readonly string[] }
  /** Each unit starts after the next; the last is the first. */
  | { readonly kind: "cycle"; readonly units: readonly string[] };

/** A host has some hundred units at most that order themselves around its containers. */
const unitLimit = 4096;

/**
 * The graph of all members: their units with all that is added to them, and those of the host that these lead to, as far as
 * `follow` says.
 */
export function readGraph(members: readonly Member[], host: HostUnits, follow = true): UnitGraph {
  const own = new Map(members.map((member) => [member.unit, member]));
  const pending = [...own.keys()];
  const seen = new Set(pending);
  const edges: Edge[] = [];
  for (let unit = pending.shift(); unit !== undefined && seen.size < unitLimit; unit = pending.shift()) {
    const member = own.get(unit);
    if (member === undefined && !follow) continue;
    const relations = relationsOf(unit, member, members, host);
    if (relations === undefined) continue;
    const found = [...edgesOf(unit, relations), ...mountEdges(unit, relations, host)];
    edges.push(...found);
    for (const other of found.flatMap(({ from, to }) => [from, to])) {
      if (seen.has(other)) continue;
      seen.add(other);
      pending.push(other);
    }
  }
  return { units: [...seen], edges: withoutRepeats(edges) };
}

function relationsOf(
  unit: string,
  member: Member | undefined,
  members: readonly Member[],
  host: HostUnits,
): UnitRelations | undefined {
  const text =
    member === undefined ? host.unitText(unit) : `${member.text}\n${relationText(member, members, host) ?? ""}`;
  return text === undefined ? undefined : readUnitRelations(unit, `${text}\n${host.additionsTo(unit)}`);
}

function edgesOf(unit: string, relations: UnitRelations): readonly Edge[] {
  const { after, before, wants, upholds, requires, defaultDependencies } = relations;
  const implied = defaultDependencies && unit.endsWith(".service") ? ["sysinit.target", "basic.target"] : [];
  return [
    ...after.map((to): Edge => ({ from: unit, to, kind: "after", ...(to === recoveryUnit && { implied: true }) })),
    ...implied.map((to): Edge => ({ from: unit, to, kind: "after", implied: true })),
    ...before.map((from): Edge => ({ from, to: unit, kind: "after" })),
    ...wants.map((to): Edge => ({ from: unit, to, kind: "wants" })),
    ...upholds.map((to): Edge => ({ from: unit, to, kind: "upholds" })),
    ...requires.map((to): Edge => ({ from: unit, to, kind: "requires" })),
  ];
}

/** To the mounts below which a unit has something; those of file systems over the network come after it. */
function mountEdges(unit: string, { mountsFor, defaultDependencies }: UnitRelations, host: HostUnits): readonly Edge[] {
  const text = unit.endsWith(".mount") && defaultDependencies ? (host.unitText(unit) ?? "") : "";
  const mounts = [...new Set(mountsFor.flatMap(mountUnitsOf))].filter((other) => host.unitText(other) !== undefined);
  return [
    ...mounts.map((to): Edge => ({ from: unit, to, kind: "after" })),
    ...mounts.map((to): Edge => ({ from: unit, to, kind: "requires" })),
    ...(isRemoteMount(text)
      ? [{ from: unit, to: "network-online.target", kind: "after", implied: true } as const]
      : []),
  ];
}

function withoutRepeats(edges: readonly Edge[]): readonly Edge[] {
  return [
    ...new Map(edges.toReversed().map((edge) => [`${edge.kind} ${edge.from} ${edge.to}`, edge])).values(),
  ].reverse();
}

/**
 * A cycle of units, each of which starts after the next; the first is repeated at the end. undefined when there is none that
 * one of `roots` leads to. Of several cycles it is one that the earliest root leads to.
 */
export function findCycle(edges: readonly Edge[], roots: readonly string[]): readonly string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to, kind } of edges) {
    if (kind === "after") next.set(from, [...(next.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  for (const root of roots) {
    const path: string[] = [];
    const open: { readonly unit: string; readonly rest: string[] }[] = [];
    const enter = (unit: string): readonly string[] | undefined => {
      if (path.includes(unit)) return [...path.slice(path.indexOf(unit)), unit];
      if (done.has(unit)) return undefined;
      path.push(unit);
      open.push({ unit, rest: [...(next.get(unit) ?? [])] });
      return undefined;
    };
    enter(root);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const unit = top.rest.shift();
      const cycle = unit === undefined ? undefined : enter(unit);
      if (cycle !== undefined) return cycle;
      if (unit !== undefined) continue;
      done.add(top.unit);
      path.pop();
      open.pop();
    }
  }
  return undefined;
}

/** The members in an order in which each comes after those it starts after. `edges` have no cycle. */
export function startOrder(members: readonly Member[], edges: readonly Edge[]): readonly Member[] {
  const placed: Member[] = [];
  const visited = new Set<string>();
  const own = new Map(members.map((member) => [member.unit, member]));
  function visit(unit: string): void {
    if (visited.has(unit)) return;
    visited.add(unit);
    for (const { to } of edges.filter(({ from, kind }) => from === unit && kind === "after")) visit(to);
    const member = own.get(unit);
    if (member !== undefined) placed.push(member);
  }
  for (const { unit } of members) visit(unit);
  return placed;
}

/** What is wrong with the order of these members on this host. */
export function orderProblems(members: readonly Member[], host: HostUnits): readonly OrderProblem[] {
  const { edges } = readGraph(members, host);
  const missing = members.flatMap((member) =>
    missingOf(member, members, host).map((wanted): OrderProblem => ({ kind: "missing", member, wanted })),
  );
  const tooEarly = members.flatMap((member): readonly OrderProblem[] => {
    const units = waitsForNetwork(member.unit, member.phase ?? "normal", edges);
    return units === undefined ? [] : [{ kind: "phase", member, units }];
  });
  const cycle = findCycle(
    edges,
    members.map(({ unit }) => unit),
  );
  return [...missing, ...tooEarly, ...(cycle === undefined ? [] : [{ kind: "cycle", units: cycle } as const])];
}

/** Names that nothing provides, and services without which systemd would not start the member's. */
function missingOf(member: Member, members: readonly Member[], host: HostUnits): readonly string[] {
  const { unit, text, relations } = member;
  const there = (other: string): boolean =>
    members.some((each) => each.unit === other) ||
    host.unitText(other) !== undefined ||
    host.unitText(other.replace(/@.+(?=\.[a-z]+$)/, "@")) !== undefined;
  const units = readUnitRelations(unit, text).requires.filter((other) => /\.(?:service|socket)$/.test(other));
  return [
    ...relations.requires.map(({ name }) => name).filter((name) => providersOf(name, members, host).length === 0),
    ...units.filter((other) => !there(other)),
  ];
}
