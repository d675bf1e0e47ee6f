import type { Phase } from "../contract/phase.ts";
import type { Relations } from "../contract/relations.ts";
import type { Deployment } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";

/** A container with a service, as one of those on a host. */
export interface Member {
  readonly name: string;
  readonly unit: string;
  /** Of its unit file. */
  readonly text: string;
  readonly relations: Relations;
  /** Absent: normal. */
  readonly phase?: Phase;
}

/** What members may find on a host beside each other. */
export type HostUnits = Pick<HostFacts, "unitText" | "additionsTo" | "places">;

const noRelations: Relations = { provides: [], requires: [], before: [] };

/** The services of container runtimes that a host may have. */
export const runtimeUnits: readonly string[] = [
  "docker.service",
  "containerd.service",
  "crio.service",
  "cri-docker.service",
  "podman.service",
];

/** Host units that are what a name stands for, whatever they are called. */
const wellKnown: ReadonlyMap<string, readonly string[]> = new Map([["runtime", runtimeUnits]]);

export function membersOf(deployments: readonly Deployment[]): readonly Member[] {
  return deployments.flatMap(({ name, service }) => {
    if (service === undefined) return [];
    const { unit, text, relations = noRelations, phase } = service;
    return [{ name, unit, text, relations, ...(phase === undefined ? {} : { phase }) }];
  });
}

/** What containers are to be, by name; undefined: no longer installed. */
export type Changed = ReadonlyMap<string, Deployment | undefined>;

/** Those installed once these are what they are to be. */
export function membersAfter(installed: readonly Deployment[], changed: Changed): readonly Member[] {
  const others = installed.filter(({ name }) => !changed.has(name));
  const next = [...changed.values()].filter((deployment) => deployment !== undefined);
  return membersOf([...others, ...next]).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The units of a host as they are then: a container's that is to go is none of them any more. */
export function hostAfter(changed: Changed, host: HostUnits): HostUnits {
  const gone = new Set([...changed].flatMap(([name, to]) => (to?.service === undefined ? [`${name}.service`] : [])));
  return { ...host, unitText: (unit) => (gone.has(unit) ? undefined : host.unitText(unit)) };
}

/**
 * The units that `wanted` stands for: those of containers whose images provide it, or else of the container of that name,
 * or else a unit of the host: the one so called, or the one of the last part of the name (`kv/etcd`: `etcd.service`).
 */
export function providersOf(wanted: string, members: readonly Member[], host: HostUnits): readonly string[] {
  const declared = members.filter(({ relations }) => relations.provides.includes(wanted));
  if (declared.length > 0) return declared.map(({ unit }) => unit);
  const last = wanted.slice(wanted.lastIndexOf("/") + 1);
  const called = members.filter(({ name, unit }) => unit === wanted || name === last);
  if (called.length > 0) return called.map(({ unit }) => unit);
  const units = [wanted, `${last}.service`, ...(wellKnown.get(wanted) ?? [])];
  return [...new Set(units)].filter((unit) => /\.[a-z]+$/.test(unit) && host.unitText(unit) !== undefined);
}
