import { join } from "node:path";
import { parseDigest } from "../image/digest.ts";
import type { ObjectName } from "../layer/change.ts";
import { readWholeChangeList } from "./change-list.ts";
import { namesIn } from "./directory.ts";
import type { Repository } from "./repository.ts";

/** Where the objects are that some layer of the store has at `path`, with that size. The lists are read at the first call. */
export type KnownFiles = (path: string, size: number) => readonly string[];

/** Files of fewer than `least` bytes are not known. undefined for a store without a layer. */
export function openKnownFiles(images: string, repository: Repository, least: number): KnownFiles | undefined {
  const layers = namesIn(join(images, "layers")).filter((name) => /^[0-9a-f]{64}$/.test(name));
  if (layers.length === 0) return undefined;
  let objects: ReadonlyMap<string, ReadonlySet<ObjectName>> | undefined;
  return (path, size) => {
    if (size < least) return [];
    objects ??= objectsOf(images, layers, least);
    // A change list has a path one character a byte.
    const found = objects.get(keyOf(Buffer.from(path).toString("latin1"), size)) ?? [];
    return [...found]
      .filter((object) => repository.has(object, "file"))
      .map((object) => repository.locate(object, "file"));
  };
}

function objectsOf(
  images: string,
  layers: readonly string[],
  least: number,
): ReadonlyMap<string, ReadonlySet<ObjectName>> {
  const objects = new Map<string, Set<ObjectName>>();
  for (const hex of layers) {
    for (const change of readWholeChangeList(images, parseDigest(`sha256:${hex}`)) ?? []) {
      if (change.kind !== "file" || change.size < least) continue;
      const key = keyOf(change.path, change.size);
      objects.set(key, (objects.get(key) ?? new Set()).add(change.object));
    }
  }
  return objects;
}

const keyOf = (path: string, size: number): string => `${size} ${path}`;
