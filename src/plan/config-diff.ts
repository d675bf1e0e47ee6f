import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type JsonObject } from "../image/json.ts";

/** One value of a config.json that is another, new (without `from`) or gone (without `to`). */
export interface ConfigChange {
  /** `process.env.PORT`, `mounts./var/lib/etcd.options.ro`: keys joined by dots; a name that is in a list or not has null. */
  readonly path: string;
  readonly from?: Json;
  readonly to?: Json;
}

/** Lists whose order counts; of all others only what is in them does. */
const ordered: ReadonlySet<string> = new Set(["process.args", "linux.resources.devices"]);
/** What tells the members of a list apart, where not all of a member does. */
const keys: ReadonlyMap<string, string> = new Map([
  ["mounts", "destination"],
  ["process.rlimits", "type"],
  ["linux.namespaces", "type"],
  ["linux.devices", "path"],
  ["linux.seccomp.syscalls", "names"],
]);

/**
 * How two config.json differ in what they mean: lists of names are sets, the environment is a map, mounts go by their
 * destination, namespaces and limits by their type. https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function diffConfigs(from: string, to: string): readonly ConfigChange[] {
  return diff("", JSON.parse(from), JSON.parse(to));
}

/** `process.env.PORT: "1" -> "2"`; what is new or gone has a + or - before it. */
export function formatConfigChange({ path, from, to }: ConfigChange): string {
  if (from === undefined) return to === null ? `+ ${path}` : `+ ${path}: ${JSON.stringify(to)}`;
  if (to === undefined) return from === null ? `- ${path}` : `- ${path}: ${JSON.stringify(from)}`;
  return `${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

function diff(path: string, from: Json | undefined, to: Json | undefined): readonly ConfigChange[] {
  const sides = membersOf(path, from, to);
  if (sides !== undefined) {
    const [before, after] = sides;
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) =>
      diff(path === "" ? name : `${path}.${name}`, before.get(name), after.get(name)),
    );
  }
  if (isDeepStrictEqual(from, to)) return [];
  return [{ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
}

type Members = ReadonlyMap<string, Json>;

/** What is compared one by one: the members of two objects, or of two lists; undefined for what is compared as a whole. */
function membersOf(
  path: string,
  from: Json | undefined,
  to: Json | undefined,
): readonly [Members, Members] | undefined {
  if (isObject(from) && isObject(to)) return [new Map(Object.entries(from)), new Map(Object.entries(to))];
  if (!Array.isArray(from) || !Array.isArray(to) || ordered.has(path)) return undefined;
  const [before, after] = [from, to].map((list: readonly Json[]) => keyed(path, list));
  return before === undefined || after === undefined ? [namesOf(from), namesOf(to)] : [before, after];
}

/** A list by what tells its members apart; undefined where that is the same for two of them, or missing. */
function keyed(path: string, list: readonly Json[]): Members | undefined {
  const members = list.map((value) => keyedMember(path, value));
  const known = members.filter((member) => member !== undefined);
  const all = new Map(known);
  return all.size === list.length ? all : undefined;
}

function keyedMember(path: string, value: Json): readonly [string, Json] | undefined {
  if (path === "process.env" && typeof value === "string") {
    const equals = value.indexOf("=");
    return equals < 0 ? [value, null] : [value.slice(0, equals), value.slice(equals + 1)];
  }
  const key = keys.get(path);
  if (key === undefined || !isObject(value) || !Object.hasOwn(value, key)) return undefined;
  const { [key]: name, ...rest }: JsonObject = value;
  return [String(name), rest];
}

function namesOf(list: readonly Json[]): Members {
  return new Map(list.map((value) => [typeof value === "string" ? value : canonical(value), null]));
}

/** The same text for the same value. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_, inner: Json) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
