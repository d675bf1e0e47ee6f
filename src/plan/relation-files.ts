import type { HostChange } from "./change.ts";
import type { Deployment } from "./deployment.ts";
import type { ExpectedFile } from "./expected.ts";
import type { HostFacts } from "./facts.ts";
import { textState } from "./file-state.ts";
import { type HostUnits, hostAfter, type Member, membersAfter, membersOf, providersOf } from "./members.ts";
import { lastValue, parseUnit } from "./unit-file.ts";

/** What keelson adds to a unit, in the unit's directory of additions. */
export const relationFile = "10-keelson.conf";

const firstLine = "# Written by keelson: what the images of this host's containers say of each other, by their units.";

/** Where keelson adds to a unit. */
function relationPath(unit: string, { places }: HostFacts): string {
  return `${places.units}/${unit}.d/${relationFile}`;
}

/**
 * What keelson adds to the unit of a member, in words of systemd; undefined when that is nothing. A requirement is soft: what
 * has it is started after it, and keeps it up, but does not stop with it. One that has to be ready is asked for before the
 * start, again and again until it is.
 */
export function relationText(member: Member, members: readonly Member[], host: HostUnits): string | undefined {
  const { unit, relations } = member;
  const others = (name: string): readonly string[] =>
    providersOf(name, members, host).filter((provider) => provider !== unit);
  const required = relations.requires.map((requirement) => ({ ...requirement, units: others(requirement.name) }));
  const soft = required.filter(({ hard }) => !hard).flatMap(({ units }) => units);
  const lines = [
    ...setting(
      "After",
      required.flatMap(({ units }) => units),
    ),
    ...setting("Wants", soft),
    ...setting("Upholds", soft),
    ...setting(
      "Requires",
      required.filter(({ hard }) => hard).flatMap(({ units }) => units),
    ),
    ...setting("Before", relations.before.flatMap(others)),
  ];
  if (lines.length === 0) return undefined;
  const awaited = required.filter(({ ready, units }) => ready && units.length > 0).map(({ units }) => units);
  const untiring = awaited.length === 0 ? [] : ["StartLimitIntervalSec=0"];
  return `${[firstLine, "[Unit]", ...lines, ...untiring, ...waiting(member, awaited, host)].join("\n")}\n`;
}

/**
 * The additions of all members once `name` is what `to` says, brought up to date. What stands in such a place and is not
 * keelson's stays.
 */
export function planRelations(name: string, to: Deployment | undefined, facts: HostFacts): readonly HostChange[] {
  const changed = new Map([[name, to]]);
  const members = membersAfter(facts.installed, changed);
  const host = hostAfter(changed, facts);
  const gone = facts.installed.flatMap((deployment) =>
    deployment.name === name && deployment.service !== undefined && to?.service === undefined
      ? [deployment.service.unit]
      : [],
  );
  return [
    ...members.flatMap((member) => change(member.unit, relationText(member, members, host), facts)),
    ...gone.flatMap((unit) => change(unit, undefined, facts)),
  ];
}

/** What keelson has added to the unit of a container that is installed. */
export function installedRelations({ name }: Deployment, facts: HostFacts): readonly ExpectedFile[] {
  const members = membersOf(facts.installed);
  return members
    .filter((member) => member.name === name)
    .flatMap((member) => {
      const text = relationText(member, members, facts);
      return text === undefined
        ? []
        : [{ kind: "file", path: relationPath(member.unit, facts), ...textState(text) } as const];
    });
}

function change(unit: string, to: string | undefined, facts: HostFacts): readonly HostChange[] {
  const path = relationPath(unit, facts);
  const directory = path.slice(0, path.lastIndexOf("/"));
  const from = facts.at(path).kind === "missing" ? undefined : (facts.textAt(path) ?? "");
  if (from === to || (from !== undefined && !from.startsWith(`${firstLine}\n`))) return [];
  const file = {
    kind: "file",
    path,
    ...(from === undefined ? {} : { from: textState(from) }),
    ...(to === undefined ? {} : { to: textState(to) }),
  } as const;
  if (to === undefined) return [file, { kind: "directory", path: directory, from: 0o755 }];
  const made = facts.at(directory).kind === "missing";
  return [...(made ? [{ kind: "directory", path: directory, to: 0o755 } as const] : []), file];
}

function setting(key: string, units: readonly string[]): readonly string[] {
  return units.length === 0 ? [] : [`${key}=${[...new Set(units)].join(" ")}`];
}

/** Each line is content with one unit that is up. A unit that does not restart by itself is made to. */
function waiting(
  { unit, text }: Member,
  awaited: readonly (readonly string[])[],
  { places }: HostUnits,
): readonly string[] {
  if (awaited.length === 0) return [];
  const directives = parseUnit(text, unit);
  const restart = lastValue(directives, "Service", "Restart") ?? "no";
  const pause = lastValue(directives, "Service", "RestartSec");
  return [
    "",
    "[Service]",
    ...awaited.map(
      (units) =>
        `ExecStartPre=systemctl ${places.user === undefined ? "" : "--user "}is-active --quiet ${units.join(" ")}`,
    ),
    ...(restart === "no" ? ["Restart=on-failure"] : []),
    ...(pause === undefined ? ["RestartSec=1s"] : []),
  ];
}
