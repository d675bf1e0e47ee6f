import { KeelsonError, printable } from "../errors.ts";
import { shownPath } from "../layer/path.ts";
import type { DeployedLink } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import type { Places } from "./places.ts";
import { allValues, type Directive, parseUnit } from "./unit-file.ts";

/** The settings of [Install] that make links in a directory of another unit, and how that directory is called. */
const linkDirectories = [
  ["WantedBy", "wants"],
  ["RequiredBy", "requires"],
  ["UpheldBy", "upholds"],
] as const;

const unitTypes = "service|socket|device|mount|automount|swap|target|path|timer|slice|scope";
const validUnit = new RegExp(`^[a-zA-Z0-9:_.\\\\-]+(?:@[a-zA-Z0-9:_.\\\\@-]*)?\\.(?:${unitTypes})$`);

/**
 * The links `systemctl enable` makes for a unit with this text: aliases first, without those of the units that Also= names.
 * Paths and targets are the host's own, whatever the root; `target` is where the unit file is.
 * Throws E_UNIT for a name that is not a unit's. https://www.freedesktop.org/software/systemd/man/252/systemd.unit.html
 */
export function installLinks(
  unit: string,
  text: string,
  { units }: Pick<Places, "units">,
  target = `${units}/${unit}`,
): readonly DeployedLink[] {
  const directives = parseUnit(text, unit);
  const aliases = names(directives, unit, "Alias").filter((alias) => alias !== unit);
  for (const alias of aliases) {
    if (typeOf(alias) !== typeOf(unit))
      throw unusable(unit, "Alias", alias, `an alias of ${unit} has to be a .${typeOf(unit)} too`);
  }
  const paths = [
    ...aliases,
    ...linkDirectories.flatMap(([key, suffix]) =>
      names(directives, unit, key).map((other) => `${other}.${suffix}/${unit}`),
    ),
  ];
  return [...new Set(paths)].map((path) => ({ path: `${units}/${path}`, target }));
}

/**
 * Throws E_FILE_EXISTS when something else stands where one of these links goes: enabling would fail half done, and
 * disabling would remove a link that is somebody else's.
 */
export function refuseTakenLinks(links: readonly DeployedLink[], facts: Pick<HostFacts, "at" | "resolve">): void {
  for (const { path, target } of links) {
    const resolved = facts.resolve(path);
    const directory = resolved.slice(0, resolved.lastIndexOf("/"));
    const [above, there] = [facts.at(directory), facts.at(resolved)];
    if (above.kind !== "missing" && above.kind !== "directory") throw taken(directory, "is not a directory");
    if (there.kind === "missing" || (there.kind === "symlink" && there.target === target)) continue;
    throw taken(path, `is not a link to ${target}`);
  }
}

/** The units that are enabled and disabled together with this one. Throws E_UNIT. */
export function alsoInstalled(unit: string, text: string): readonly string[] {
  return names(parseUnit(text, unit), unit, "Also").filter((other) => other !== unit);
}

function names(directives: readonly Directive[], unit: string, key: string): readonly string[] {
  const words = allValues(directives, "Install", key).flatMap(splitWords);
  return words.map((word) => {
    const name = expandName(word, unit, key);
    if (!validUnit.test(name) || name.length > 255) throw unusable(unit, key, name, "that is not the name of a unit");
    return name;
  });
}

/** Words as systemd splits them: quotes group and go away, a backslash stays, as it is part of escaped unit names. */
function splitWords(value: string): readonly string[] {
  return [...value.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word.replace(/["']/g, ""));
}

/** The specifiers that a unit's name alone answers. */
function expandName(word: string, unit: string, key: string): string {
  const stem = unit.slice(0, unit.lastIndexOf("."));
  const [prefix = stem, instance = ""] = stem.split(/@(.*)/s);
  const known: Readonly<Record<string, string>> = {
    n: unit,
    N: stem,
    p: prefix,
    i: instance,
    j: prefix.split("-").at(-1) ?? "",
    "%": "%",
  };
  return word.replace(/%(.?)/g, (specifier, letter: string) => {
    const value = known[letter];
    if (value === undefined) throw unusable(unit, key, word, `${specifier} cannot stand in [Install] here`);
    return value;
  });
}

function typeOf(unit: string): string {
  return unit.slice(unit.lastIndexOf(".") + 1);
}

function taken(path: string, why: string): KeelsonError {
  return new KeelsonError("E_FILE_EXISTS", `the unit cannot be enabled: ${shownPath(path)} exists and ${why}`, {
    hint: "Remove it, or install with --no-enable.",
  });
}

function unusable(unit: string, key: string, value: string, why: string): KeelsonError {
  return new KeelsonError("E_UNIT", `${unit}: ${key}=${printable(value)}: ${why}`, {
    hint: "The [Install] section of the image's unit needs mending.",
  });
}
