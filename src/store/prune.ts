import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeelsonError } from "../errors.ts";
import { hexOf } from "../image/digest.ts";
import { namesIn } from "./directory.ts";
import { syncDirectory } from "./durable.ts";
import { imageRef, imageRefs, readDocuments, readImages, removeImage, type StoredImage } from "./images.ts";
import { objectsOf, readLayers, type StorePaths } from "./store.ts";

/**
 * Does what may leave objects that no image names if it is cut short: a mark stands in the store meanwhile, and the next
 * writer that finds it prunes. A mark that stood before stays.
 */
export function marked(paths: StorePaths, action: () => void): void {
  const before = existsSync(markOf(paths));
  setMark(paths);
  action();
  if (!before) rmSync(markOf(paths));
}

/** Prunes if something that was cut short has left the mark. */
export function pruneIfMarked(paths: StorePaths): void {
  if (existsSync(markOf(paths)) && prune(paths)) rmSync(markOf(paths));
}

/** Forgets an image under its name, and everything that only it needed. */
export function forgetImage(paths: StorePaths, image: StoredImage): void {
  setMark(paths);
  removeImage(paths.images, image);
  pruneIfMarked(paths);
}

/**
 * Removes what no image in the store needs: refs first, then change lists and documents, objects last. False, and nothing
 * is removed, while an image's own lists cannot be read: what it needs is not known then.
 */
function prune(paths: StorePaths): boolean {
  const images = readImages(paths.images);
  const objects = neededObjects(paths, images);
  if (objects === undefined) return false;
  const refs = new Set(images.map((image) => imageRef(image.digest)));
  const blobs = new Set(images.flatMap((image) => [hexOf(image.digest), hexOf(image.id)]));
  const layers = new Set(images.flatMap((image) => readDocuments(paths.images, image).config.diffIds.map(hexOf)));
  sweep(join(paths.repository, "refs", "heads", imageRefs), (name) => refs.has(`${imageRefs}/${name}`));
  sweep(join(paths.images, "layers"), (name) => layers.has(name));
  sweep(join(paths.images, "blobs", "sha256"), (name) => blobs.has(name));
  const published = join(paths.repository, "objects");
  for (const prefix of namesIn(published)) {
    sweep(join(published, prefix), (name) => objects.has(`${prefix}/${name}`));
    if (namesIn(join(published, prefix)).length === 0) rmdirSync(join(published, prefix));
  }
  return true;
}

function neededObjects(paths: StorePaths, images: readonly StoredImage[]): ReadonlySet<string> | undefined {
  const objects = new Set<string>();
  try {
    for (const image of images) {
      const layers = readLayers(paths, image);
      if (layers === undefined) return undefined;
      for (const object of objectsOf(image, layers)) objects.add(object);
    }
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return undefined;
    throw error;
  }
  return objects;
}

function sweep(directory: string, needed: (name: string) => boolean): void {
  for (const name of namesIn(directory)) if (!needed(name)) rmSync(join(directory, name), { force: true });
}

function setMark(paths: StorePaths): void {
  mkdirSync(paths.images, { recursive: true });
  writeFileSync(markOf(paths), "");
  syncDirectory(paths.images);
}

function markOf(paths: StorePaths): string {
  return join(paths.images, "unswept");
}
