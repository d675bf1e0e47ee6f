import { printable } from "../errors.ts";
import { isObject } from "../image/json.ts";

/** What an image says of its place among the services of a host. */
export interface Relations {
  /** Names that other images may require: `kv/etcd`. */
  readonly provides: readonly string[];
  readonly requires: readonly Requirement[];
  /** What has to start after it, where that is there. */
  readonly before: readonly string[];
}

/** Something that has to be on the host. */
export interface Requirement {
  /** What an image provides, a container's name, or a unit's. */
  readonly name: string;
  /** It has to be up, not only begun to start. */
  readonly ready: boolean;
  /** What requires it stops with it, and does not start where it fails. */
  readonly hard: boolean;
}

const nameLimit = 128;

/**
 * Reads `provides`, `requires` and `before` of manifest.json; undefined when there is none of them. `problem` is told of
 * defects.
 */
export function parseRelations(
  document: Readonly<Record<string, unknown>>,
  problem: (why: string) => void,
): Relations | undefined {
  const listOf = <T>(key: string, read: (item: unknown) => T | undefined, what: string): readonly T[] => {
    const value = document[key] ?? [];
    const items = Array.isArray(value) ? value.map(read) : [undefined];
    const known = items.filter((item) => item !== undefined);
    if (known.length < items.length) problem(`${key} is not a list of ${what}`);
    return known;
  };
  const relations = {
    provides: listOf("provides", nameOf, "names such as kv/etcd"),
    requires: listOf("requires", requirementOf, 'names such as kv/etcd, or of {"name", "ready", "hard"}'),
    before: listOf("before", nameOf, "names such as runtime"),
  };
  return Object.values(relations).every((list) => list.length === 0) ? undefined : relations;
}

/** Whether `text` can stand in a unit, and is what people call things. */
function nameOf(text: unknown): string | undefined {
  if (typeof text !== "string" || text.length > nameLimit || printable(text) !== text) return undefined;
  return /^[a-zA-Z0-9][a-zA-Z0-9_.:@-]*(?:\/[a-zA-Z0-9][a-zA-Z0-9_.:@-]*)*$/.test(text) ? text : undefined;
}

function requirementOf(item: unknown): Requirement | undefined {
  const { name, ready = false, hard = false } = isObject(item) ? item : { name: item };
  const named = nameOf(name);
  if (named === undefined || typeof ready !== "boolean" || typeof hard !== "boolean") return undefined;
  return { name: named, ready, hard };
}
