import { KeelsonError, printable } from "../errors.ts";
import { isObject } from "./json.ts";
import { parseReference } from "./reference.ts";
import { type Mirror, noRegistries, type Registries, type RegistryRule, type ShortNameMode } from "./registries.ts";

/** What one file says; what it says nothing of is absent. An empty alias takes one back. */
export interface RegistriesFile {
  readonly searched?: readonly string[];
  readonly shortNameMode?: ShortNameMode;
  readonly credentialHelpers?: readonly string[];
  readonly rules: readonly RegistryRule[];
  readonly aliases: ReadonlyMap<string, string>;
}

/** A table of the file, and how messages call it. */
interface Table {
  readonly file: string;
  /** Ends in a dot, or is empty. */
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const modes: readonly string[] = ["enforcing", "permissive", "disabled"];
const serving: readonly string[] = ["all", "digest-only", "tag-only"];

/**
 * Reads the parsed TOML of a registries.conf in the format of version 2. Keys that are not known are left to the tools
 * that know them. Throws E_SETTINGS with file and key for a value that is not allowed.
 */
export function parseRegistriesConf(values: Readonly<Record<string, unknown>>, file: string): RegistriesFile {
  const table: Table = { file, path: "", values };
  if (isObject(values.registries)) throw bad(table, "registries", "is of version 1 of the format, which is not read");
  const searched = listAt(table, "unqualified-search-registries");
  const helpers = listAt(table, "credential-helpers");
  const mode = oneOf(table, "short-name-mode", modes);
  const helper = helpers?.find((name) => !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name));
  if (helper !== undefined) throw bad(table, "credential-helpers", `names ${printable(helper)}, no program's ending`);
  for (const host of searched ?? []) checkRepository(table, "unqualified-search-registries", `${host}/x`);
  return {
    ...(searched && { searched }),
    ...(mode !== undefined && { shortNameMode: mode as ShortNameMode }),
    ...(helpers && { credentialHelpers: helpers }),
    rules: tablesAt(table, "registry").map(ruleOf),
    aliases: aliasesOf(table),
  };
}

/** The files as one, later ones over earlier ones: a list or mode as a whole, a rule by its prefix, an alias by its name. */
export function mergeRegistries(files: readonly RegistriesFile[]): Registries {
  const rules = new Map<string, RegistryRule>();
  const aliases = new Map<string, string>();
  let merged: Registries = noRegistries;
  for (const { rules: more, aliases: names, ...rest } of files) {
    merged = { ...merged, ...rest };
    // Of two rules for one prefix in one file, the first counts.
    for (const rule of more.toReversed()) rules.set(rule.prefix, rule);
    for (const [name, value] of names) {
      if (value === "") aliases.delete(name);
      else aliases.set(name, value);
    }
  }
  return { ...merged, rules: [...rules.values()], aliases };
}

function ruleOf(table: Table): RegistryRule {
  const location = placeAt(table, "location");
  const prefix = placeAt(table, "prefix") ?? location;
  if (prefix === undefined) throw bad(table, "prefix", "is missing, and so is location");
  const wild = prefix.startsWith("*.");
  if (wild ? /[/:*]/.test(prefix.slice(2)) : prefix.includes("*"))
    throw bad(table, "prefix", `is ${printable(prefix)}; a * stands only in front of a domain, as in *.example.com`);
  if (location?.includes("*") === true && location !== prefix) throw bad(table, "location", "has a * in it");
  if (textAt(table, "pull-from-mirror") !== undefined)
    throw bad(table, "pull-from-mirror", "belongs to a mirror, not to the registry");
  const byDigestOnly = flagAt(table, "mirror-by-digest-only");
  return {
    file: table.file,
    prefix,
    // The prefix stands for itself, whatever its wildcard matched.
    ...(location !== undefined && location !== prefix && { location }),
    insecure: flagAt(table, "insecure"),
    blocked: flagAt(table, "blocked"),
    mirrors: tablesAt(table, "mirror").map((mirror) => mirrorOf(mirror, byDigestOnly)),
  };
}

function mirrorOf(table: Table, byDigestOnly: boolean): Mirror {
  const location = placeAt(table, "location");
  if (location === undefined) throw bad(table, "location", "is missing");
  const serves = oneOf(table, "pull-from-mirror", serving);
  if (serves !== undefined && byDigestOnly)
    throw bad(table, "pull-from-mirror", "does not go together with mirror-by-digest-only");
  const standard = byDigestOnly ? "digest-only" : "all";
  return { location, insecure: flagAt(table, "insecure"), serves: (serves as Mirror["serves"]) ?? standard };
}

function aliasesOf(table: Table): ReadonlyMap<string, string> {
  const { aliases } = table.values;
  if (aliases === undefined) return new Map();
  if (!isObject(aliases)) throw bad(table, "aliases", "is not a table");
  const inner: Table = { file: table.file, path: "aliases.", values: aliases };
  return new Map(
    Object.keys(aliases).map((name) => {
      const value = textAt(inner, name) ?? "";
      if (value !== "") checkRepository(inner, name, value);
      return [name, value];
    }),
  );
}

/** A repository with its host and nothing behind it. */
function checkRepository(table: Table, key: string, text: string): void {
  try {
    parseReference(`docker://${text}:tag`);
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    throw bad(table, key, `holds ${printable(text.replace(/\/x$/, ""))}, which is not of the form HOST/REPOSITORY`);
  }
}

/** A prefix or location without the slash it may end in; undefined when it is absent or empty. */
function placeAt(table: Table, key: string): string | undefined {
  const text = textAt(table, key)?.replace(/\/+$/, "");
  if (text === undefined || text === "") return undefined;
  if (/:\/\//.test(text)) throw bad(table, key, `is ${printable(text)}; leave out the scheme`);
  if (/[\s\x00-\x1f\x7f]/.test(text)) throw bad(table, key, `is ${printable(text)}, with white space in it`);
  return text;
}

function textAt(table: Table, key: string): string | undefined {
  const value = table.values[key];
  if (value === undefined || typeof value === "string") return value;
  throw bad(table, key, "is not a string");
}

function flagAt(table: Table, key: string): boolean {
  const value = table.values[key] ?? false;
  if (typeof value === "boolean") return value;
  throw bad(table, key, "is neither true nor false");
}

/** Undefined when it is absent or empty. */
function oneOf(table: Table, key: string, allowed: readonly string[]): string | undefined {
  const value = textAt(table, key) || undefined;
  if (value === undefined || allowed.includes(value)) return value;
  throw bad(table, key, `is ${printable(value)}, not one of ${allowed.join(", ")}`);
}

function listAt(table: Table, key: string): readonly string[] | undefined {
  const value: unknown = table.values[key];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw bad(table, key, "is not a list of strings");
}

function tablesAt(table: Table, key: string): readonly Table[] {
  const value: unknown = table.values[key] ?? [];
  if (!Array.isArray(value) || !value.every(isObject)) throw bad(table, key, `is not written [[${table.path}${key}]]`);
  return value.map((values, index) => ({ file: table.file, path: `${table.path}${key}[${index}].`, values }));
}

function bad(table: Table, key: string, why: string): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${table.file}: ${printable(table.path + key)} ${why}`, {
    hint: "The manual page containers-registries.conf(5) describes the file.",
  });
}
