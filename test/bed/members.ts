import type { Relations } from "../../src/contract/relations.ts";
import type { HostUnits, Member } from "../../src/plan/members.ts";
import { hostPlaces } from "../../src/plan/places.ts";

/** A member with a unit of its own name; a requirement in words is one that is soft. */
export function member(
  name: string,
  relations: Partial<Omit<Relations, "requires">> & { readonly requires?: readonly (string | object)[] } = {},
  text = "[Service]\nExecStart=/bin/true\n",
): Member {
  const { provides = [], requires = [], before = [] } = relations;
  const all = requires.map((each) => ({
    ready: false,
    hard: false,
    ...(typeof each === "string" ? { name: each } : (each as { readonly name: string })),
  }));
  return { name, unit: `${name}.service`, text, relations: { provides, requires: all, before } };
}

/** A host with these units beside its containers. */
export function hostWith(
  units: Readonly<Record<string, string>> = {},
  additions: Readonly<Record<string, string>> = {},
): HostUnits {
  return { places: hostPlaces, unitText: (unit) => units[unit], additionsTo: (unit) => additions[unit] ?? "" };
}
