/** What of a unit's text relates it to other units, by their names. */
export interface UnitRelations {
  readonly after: readonly string[];
  readonly before: readonly string[];
  readonly wants: readonly string[];
  readonly upholds: readonly string[];
  /** Requires=, Requisite= and BindsTo=: the unit cannot be up without them. */
  readonly requires: readonly string[];
  /** Paths whose mounts it requires and starts after. */
  readonly mountsFor: readonly string[];
  /** systemd adds its own relations to sysinit.target and others. */
  readonly defaultDependencies: boolean;
}

/**
 * Reads them as systemd does, leniently: the units of a host are as they are. Later text adds to earlier, an empty value
 * forgets what stood before. https://www.freedesktop.org/software/systemd/man/252/systemd.unit.html
 */
export function readUnitRelations(unit: string, text: string): UnitRelations {
  const lists = new Map<string, string[]>();
  let section = "";
  let defaults = true;
  for (const line of text.replace(/\\\n(?:[#;].*\n)*/g, " ").split("\n")) {
    const header = /^\s*\[([^\]]+)\]\s*$/.exec(line);
    section = header?.[1] ?? section;
    const [, key = "", right = ""] = /^\s*([A-Za-z]+)\s*=(.*)$/.exec(line) ?? [];
    if (key === "" || section !== "Unit") continue;
    const value = right.trim();
    if (key === "DefaultDependencies") defaults = !/^(?:no|false|0|off|n|f)$/i.test(value);
    const words = value.split(/\s+/).filter(Boolean);
    const names = words.map((word) => expand(unit, word.replace(/["']/g, "")));
    lists.set(key, value === "" ? [] : [...(lists.get(key) ?? []), ...names]);
  }
  const all = (...keys: readonly string[]): readonly string[] => [
    ...new Set(keys.flatMap((key) => lists.get(key) ?? [])),
  ];
  return {
    after: all("After"),
    before: all("Before"),
    wants: all("Wants"),
    upholds: all("Upholds"),
    requires: all("Requires", "Requisite", "BindsTo"),
    mountsFor: all("RequiresMountsFor"),
    defaultDependencies: defaults,
  };
}

/** The specifiers that a unit's own name answers; a name with another one is none that can be followed. */
function expand(unit: string, word: string): string {
  const stem = unit.slice(0, unit.lastIndexOf("."));
  const [prefix = stem, instance = ""] = stem.split(/@(.*)/s);
  const known: Readonly<Record<string, string>> = { n: unit, N: stem, p: prefix, i: instance, "%": "%" };
  return word.replace(/%(.)/g, (specifier, letter: string) => known[letter] ?? specifier);
}
