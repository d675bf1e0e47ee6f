import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { KeelsonError } from "../errors.ts";
import { hexOf } from "../image/digest.ts";
import { namesIn } from "./directory.ts";
import { readDocuments } from "./documents.ts";
import { isBeside, setMark } from "./durable.ts";
import { imageRef, imageRefs, readImages, removeImages, type StoredImage } from "./images.ts";
import { removeFile, removeTree } from "./remove.ts";
import { objectsOf, readLayers, type StorePaths } from "./store.ts";

/** What of the store nobody needs, as paths. An object directory stands for all that is in it. */
export interface StoreGarbage {
  readonly refs: readonly string[];
  readonly documents: readonly string[];
  /** Change lists. */
  readonly layers: readonly string[];
  readonly objects: readonly string[];
  /** What was being written when a command was cut short. */
  readonly leftovers: readonly string[];
}

/**
 * Does what may leave objects that no image names if it is cut short: a mark stands in the store meanwhile, and the next
 * writer that finds it prunes. A mark that stood before stays.
 */
export function marked(paths: StorePaths, action: () => void): void {
  const before = existsSync(markOf(paths));
  markStore(paths);
  action();
  if (!before) removeFile(markOf(paths));
}

/**
 * Prunes if something that was cut short has left the mark. When what an image needs cannot be read, nothing is removed,
 * the mark stays, and the reason is given.
 */
export function pruneIfMarked(paths: StorePaths): string | undefined {
  if (!existsSync(markOf(paths))) return undefined;
  try {
    removeGarbage(findGarbage(paths, readImages(paths.images)));
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return error.message;
    throw error;
  }
  removeFile(markOf(paths));
  return undefined;
}

/** Forgets images under their names, and everything that only they needed; the reason why that could not be removed. */
export function forgetImages(paths: StorePaths, images: readonly StoredImage[]): string | undefined {
  markStore(paths);
  removeImages(paths.images, images);
  return pruneIfMarked(paths);
}

/**
 * What none of `images` needs. Throws E_STORE while an image's own lists cannot be read: what it needs is not known then,
 * and nothing may be removed.
 */
export function findGarbage(paths: StorePaths, images: readonly StoredImage[]): StoreGarbage {
  const { objects, layers } = neededBy(paths, images);
  const refs = new Set(images.map((image) => imageRef(image.digest)));
  const documents = new Set(images.flatMap((image) => [hexOf(image.digest), hexOf(image.id)]));
  const published = join(paths.repository, "objects");
  const staging = join(paths.repository, "tmp", "staging");
  return {
    refs: unneeded(join(paths.repository, "refs", "heads", imageRefs), (name) => refs.has(`${imageRefs}/${name}`)),
    documents: unneeded(join(paths.images, "blobs", "sha256"), (name) => documents.has(name)),
    layers: unneeded(join(paths.images, "layers"), (name) => layers.has(name)),
    objects: namesIn(published).flatMap((prefix) => {
      const directory = join(published, prefix);
      const gone = unneeded(directory, (name) => objects.has(`${prefix}/${name}`));
      return gone.length === namesIn(directory).length ? [directory] : gone;
    }),
    leftovers: [...unneeded(paths.images, (name) => !isBeside(name)), ...(existsSync(staging) ? [staging] : [])],
  };
}

/** Removes it: refs first, then what names objects, objects last. */
export function removeGarbage({ refs, layers, documents, objects, leftovers }: StoreGarbage): void {
  for (const path of [...refs, ...layers, ...documents, ...objects, ...leftovers]) removeTree(path);
}

interface Needed {
  readonly objects: ReadonlySet<string>;
  readonly layers: ReadonlySet<string>;
}

function neededBy(paths: StorePaths, images: readonly StoredImage[]): Needed {
  const [objects, diffIds] = [new Set<string>(), new Set<string>()];
  for (const image of images) {
    for (const object of objectsOf(image, layersOf(paths, image))) objects.add(object);
    for (const diffId of readDocuments(paths.images, image).config.diffIds) diffIds.add(hexOf(diffId));
  }
  return { objects, layers: diffIds };
}

function layersOf(paths: StorePaths, image: StoredImage): NonNullable<ReturnType<typeof readLayers>> {
  try {
    const layers = readLayers(paths, image);
    if (layers !== undefined) return layers;
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") throw unknown(image, error.message, error);
    throw error;
  }
  throw unknown(image, "the change list of one of its layers is lost");
}

function unknown(image: StoredImage, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_STORE", `what ${image.reference ?? image.digest} needs is not known: ${why}`, {
    hint: "keelson verify --repair brings back what is lost; until then nothing is removed from the store.",
    cause,
  });
}

function unneeded(directory: string, needed: (name: string) => boolean): readonly string[] {
  return namesIn(directory)
    .filter((name) => !needed(name))
    .map((name) => join(directory, name));
}

function markStore(paths: StorePaths): void {
  mkdirSync(paths.images, { recursive: true });
  setMark(markOf(paths));
}

function markOf(paths: StorePaths): string {
  return join(paths.images, "unswept");
}
