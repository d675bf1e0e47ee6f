import { createReadStream } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import type { LayerChange } from "../layer/change.ts";
import type { Attributes } from "../layer/entry.ts";
import { formatEntry, tarEnd, tarPadding } from "../layer/tar-format.ts";
import { readChangeList } from "./change-list.ts";
import { fileHash, objectPath } from "./object.ts";
import type { StorePaths } from "./store.ts";

/**
 * A tar of what the last of these layers changes, every file checked against the name of its object. It is not the tar that
 * the layer came in, of which the store keeps neither the form nor what has no meaning to it. Throws E_STORE.
 */
export async function* readLayerTar(paths: StorePaths, diffIds: readonly Digest[]): AsyncGenerator<Buffer> {
  const changes = changesOf(paths, diffIds.at(-1));
  const own = attributesIn(changes);
  let lower: ReadonlyMap<string, Attributes> | undefined;
  const linked = (target: string): Attributes | undefined => {
    if (own.has(target)) return own.get(target);
    lower ??= attributesIn(diffIds.slice(0, -1).flatMap((diffId) => changesOf(paths, diffId)));
    return lower.get(target);
  };
  for (const change of changes) {
    yield change.kind === "hardlink" ? formatEntry(change, linked(change.target)) : formatEntry(change);
    if (change.kind !== "file" || change.size === 0) continue;
    yield* readContent(paths, change);
    yield tarPadding(change.size);
  }
  yield tarEnd;
}

function changesOf(paths: StorePaths, diffId: Digest | undefined): readonly LayerChange[] {
  const changes = diffId && readChangeList(paths.images, diffId);
  if (changes === undefined) throw lost(`the layer ${diffId}`);
  return changes;
}

/** What is at each path, the last of a name counting. */
function attributesIn(changes: readonly LayerChange[]): ReadonlyMap<string, Attributes> {
  const found = new Map<string, Attributes>();
  for (const change of changes) {
    const attributes = change.kind === "hardlink" ? found.get(change.target) : undefined;
    if ("attributes" in change) found.set(change.path, change.attributes);
    else if (attributes !== undefined) found.set(change.path, attributes);
  }
  return found;
}

async function* readContent(
  paths: StorePaths,
  { object, attributes, size }: LayerChange & { kind: "file" },
): AsyncGenerator<Buffer> {
  const path = join(paths.repository, "objects", objectPath(object, "file"));
  const hash = fileHash(attributes);
  let read = 0;
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      hash.update(piece);
      read += piece.length;
      if (read <= size) yield piece;
    }
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw lost(`object ${object}.file`);
    throw error;
  }
  if (read !== size || hash.digest("hex") !== object) {
    throw new KeelsonError("E_STORE", `${path} is damaged`, { hint: "keelson verify --repair brings it back." });
  }
}

function lost(what: string): KeelsonError {
  return new KeelsonError("E_STORE", `the store has lost ${what}`, {
    hint: "Run keelson pull for the image again; it fetches what is missing.",
  });
}
