import { parseRelations, type Relations } from "../contract/relations.ts";
import { parseSet } from "../contract/values.ts";
import { KeelsonError, printable } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { parseName } from "../image/reference.ts";
import type { DeployedStack } from "./deployment.ts";
import { checkName } from "./name.ts";
import { type OverrideFile, overrideSections, parseOverrides } from "./overrides.ts";

/** A stack file, as it was read: sections of keys. */
export interface StackFile {
  /** As the host names it. */
  readonly path: string;
  readonly sections: Readonly<Record<string, unknown>>;
}

/** A container as a stack file has it. */
export interface StackMember {
  readonly name: string;
  readonly image: string;
  readonly set: ReadonlyMap<string, string>;
  /** Start it when it is installed. */
  readonly start: boolean;
  /** What goes into its record. */
  readonly stack: DeployedStack;
}

/** The keys of a section beside `set.NAME` and those of overrides. README has the grammar. */
const plainKeys = ["image", "start", "enable", "provides", "requires", "before"] as const;

type Keys = ReadonlyMap<string, readonly string[]>;

/**
 * The containers of stack files, in their order. Throws E_SETTINGS, E_SET, E_REFERENCE and E_NAME naming file, section and key.
 */
export function parseStack(files: readonly StackFile[]): readonly StackMember[] {
  const members = new Map<string, StackMember>();
  for (const { path, sections } of files) {
    for (const [name, keys] of sectionsOf(path, sections)) {
      const other = members.get(checkName(name));
      if (other !== undefined) throw bad(path, name, "", `stands in ${other.stack.path}, too`);
      members.set(name, memberOf(path, name, keys));
    }
  }
  return [...members.values()];
}

/** What a stack changes in config.json of a container, before the administrator's own overrides. */
export function stackOverrides(name: string, stack: DeployedStack | undefined): readonly OverrideFile[] {
  if (stack === undefined || Object.keys(stack.overrides).length === 0) return [];
  return [{ path: `${stack.path} [${name}]`, sections: stack.overrides }];
}

/** What an image says of its place, and what a stack adds. */
export function withStack(relations: Relations | undefined, stack: DeployedStack | undefined): Relations | undefined {
  if (relations === undefined || stack?.relations === undefined) return stack?.relations ?? relations;
  const { provides, requires, before } = stack.relations;
  const names = new Set(requires.map(({ name }) => name));
  return {
    provides: [...new Set([...relations.provides, ...provides])],
    requires: [...relations.requires.filter(({ name }) => !names.has(name)), ...requires],
    before: [...new Set([...relations.before, ...before])],
  };
}

/** The parser of ini makes a section in another of a name with dots. */
function sectionsOf(path: string, sections: Readonly<Record<string, unknown>>, above = ""): readonly [string, Keys][] {
  return Object.entries(sections).flatMap(([key, value]): readonly [string, Keys][] => {
    if (!isObject(value)) {
      if (above === "") throw bad(path, "", key, "stands outside a section");
      return [];
    }
    const name = `${above}${key}`;
    const keys = Object.entries(value).filter(([, inner]) => !isObject(inner));
    const inner = sectionsOf(path, value, `${name}.`);
    // A name with dots has sections above it that nobody wrote.
    if (keys.length === 0 && inner.length > 0) return inner;
    const lists = keys.map(([each, text]): [string, readonly string[]] => [each, [text].flat().map(String)]);
    return [[name, new Map(lists)], ...inner];
  });
}

function memberOf(path: string, name: string, keys: Keys): StackMember {
  for (const key of keys.keys()) if (!isKnown(key)) throw bad(path, name, key, `is none of ${known}`);
  const image = single(path, name, keys, "image");
  if (image === undefined) throw bad(path, name, "image", "is missing");
  const reference = parseName(image);
  // A stack is applied from anywhere.
  if ("path" in reference && !reference.path.startsWith("/"))
    throw bad(path, name, "image", "has a path that is not absolute");
  const overrides = overridesIn(path, name, keys);
  const relations = relationsIn(path, name, keys);
  const stack: DeployedStack = {
    path,
    enable: truth(path, name, keys, "enable"),
    overrides,
    ...(relations === undefined ? {} : { relations }),
  };
  parseOverrides(stackOverrides(name, stack));
  return { name, image, set: setIn(path, name, keys), start: truth(path, name, keys, "start"), stack };
}

const known = `${plainKeys.join(", ")}, set.NAME, ${overrideSections.map((section) => `${section}.KEY`).join(", ")}`;

function isKnown(key: string): boolean {
  const [kind, rest] = splitKey(key);
  if (rest === undefined) return plainKeys.some((plain) => plain === key);
  return kind === "set" || overrideSections.some((section) => section === kind);
}

/** The key up to its first dot, and what follows. */
function splitKey(key: string): readonly [string, string | undefined] {
  const dot = key.indexOf(".");
  return dot < 0 ? [key, undefined] : [key.slice(0, dot), key.slice(dot + 1)];
}

function single(path: string, name: string, keys: Keys, key: string): string | undefined {
  const [value, ...more] = keys.get(key) ?? [];
  if (more.length > 0) throw bad(path, name, key, "has several values");
  return value;
}

function truth(path: string, name: string, keys: Keys, key: string): boolean {
  const text = single(path, name, keys, key) ?? "true";
  if (text !== "true" && text !== "false") throw bad(path, name, key, "is neither true nor false");
  return text === "true";
}

function setIn(path: string, name: string, keys: Keys): ReadonlyMap<string, string> {
  const names = [...keys.keys()].filter((key) => splitKey(key)[0] === "set");
  const assignments = names.map((key) => `${splitKey(key)[1]}=${single(path, name, keys, key)}`);
  try {
    return parseSet(assignments);
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    const { code, message, hint } = error;
    throw new KeelsonError(code, `${path}: ${printable(name)}: ${message}`, { hint, cause: error });
  }
}

function overridesIn(path: string, name: string, keys: Keys): DeployedStack["overrides"] {
  const sections: Record<string, Record<string, string | readonly string[]>> = {};
  for (const [key, values] of keys) {
    const [section, rest] = splitKey(key);
    if (rest === undefined || section === "set") continue;
    if (rest === "") throw bad(path, name, key, "names nothing");
    sections[section] = { ...sections[section], [rest]: values.length === 1 ? (values[0] ?? "") : values };
  }
  return sections;
}

/** `requires = NAME [ready] [hard]`, `provides = NAME` and `before = NAME`, each also as a list. */
function relationsIn(path: string, name: string, keys: Keys): Relations | undefined {
  const requires = (keys.get("requires") ?? []).map((text): JsonObject => {
    const [wanted = "", ...how] = text.split(/\s+/);
    const odd = how.find((word) => word !== "ready" && word !== "hard");
    if (odd !== undefined) throw bad(path, name, "requires", `says ${printable(odd)}; there are ready and hard`);
    return { name: wanted, ready: how.includes("ready"), hard: how.includes("hard") };
  });
  const document = { requires, provides: keys.get("provides") ?? [], before: keys.get("before") ?? [] };
  return parseRelations(document, (why) => {
    throw bad(path, name, "", why);
  });
}

function bad(path: string, name: string, key: string, why: string): KeelsonError {
  const place = [name, key].filter(Boolean).map(printable).join(": ");
  return new KeelsonError("E_SETTINGS", `${path}: ${place} ${why}`, {
    hint: "The README has the grammar of stack files, under keelson apply.",
  });
}
