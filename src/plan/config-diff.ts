import { isObject, type Json, type JsonObject } from "../image/json.ts";

/** One value of a config.json that is another, new, or gone. */
export interface ConfigChange {
  /** `process.env.PORT`, `mounts./var/lib/etcd.options`: keys joined by dots. */
  readonly path: string;
  readonly from?: Json;
  readonly to?: Json;
}

/** Lists whose order counts; of all others only what is in them does. */
const ordered = new Set(["process.args"]);
/** What tells the members of a list apart. */
const keys = ["destination", "type", "path", "names"] as const;

/**
 * How two config.json differ in what they mean: lists of names are sets, the environment is a map, mounts go by their
 * destination, namespaces and limits by their type. https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function diffConfigs(from: string, to: string): readonly ConfigChange[] {
  return diff("", keyed("", JSON.parse(from)), keyed("", JSON.parse(to)));
}

/** `process.env.PORT: "1" -> "2"`; what is new or gone has a + or - before it. */
export function formatConfigChange({ path, from, to }: ConfigChange): string {
  if (from === undefined) return to === null ? `+ ${path}` : `+ ${path}: ${JSON.stringify(to)}`;
  if (to === undefined) return from === null ? `- ${path}` : `- ${path}: ${JSON.stringify(from)}`;
  return `${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

function diff(path: string, from: unknown, to: unknown): readonly ConfigChange[] {
  if (isObject(from) && isObject(to)) {
    const names = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return names.flatMap((name) => diff(path === "" ? name : `${path}.${name}`, member(from, name), member(to, name)));
  }
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  return [
    { path, ...(from === undefined ? {} : { from: from as Json }), ...(to === undefined ? {} : { to: to as Json }) },
  ];
}

function member(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? (object[name] as Json) : undefined;
}

/** `value` with every list whose order does not count as an object; a name that is only there or not has null. */
function keyed(path: string, value: unknown): Json {
  if (isObject(value)) {
    const entries = Object.entries(value).map(([key, inner]) => [
      key,
      keyed(path === "" ? key : `${path}.${key}`, inner),
    ]);
    return Object.fromEntries(entries) as Json;
  }
  if (!Array.isArray(value) || ordered.has(path)) return value as Json;
  const members = value.map((each) => keyedMember(path, each));
  const names = members.map(([name]) => name);
  const telling = new Set(names).size === names.length;
  return Object.fromEntries(telling ? members : value.map((each) => [JSON.stringify(each), null])) as Json;
}

function keyedMember(path: string, value: unknown): readonly [string, Json] {
  if (path === "process.env" && typeof value === "string") {
    const equals = value.indexOf("=");
    return equals < 0 ? [value, null] : [value.slice(0, equals), value.slice(equals + 1)];
  }
  if (!isObject(value)) return [String(value), null];
  const key = keys.find((name) => value[name] !== undefined);
  if (key === undefined) return [JSON.stringify(value), null];
  const name = String(value[key]);
  const { [key]: _, ...rest } = value;
  return [name, keyed(`${path}.${name}`, rest)];
}
