import { lstatSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { foldLayers } from "../layer/apply.ts";
import type { LayerChange } from "../layer/change.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { readChangeList } from "./change-list.ts";
import { writeTreeObjects } from "./commit.ts";
import { readDocuments } from "./documents.ts";
import { type ImageIdentity, readImages } from "./images.ts";
import { objectPath } from "./object.ts";
import { makePrivateDirectory } from "./private-directory.ts";
import { removeFile, removeTree } from "./remove.ts";

/** Where everything of one store is, as paths for system calls. */
export interface StorePaths {
  readonly state: string;
  readonly repository: string;
  readonly images: string;
  readonly deployments: string;
  /** Bundles of containers that run once. */
  readonly once: string;
  /** Trees of images that are mounted. */
  readonly mounts: string;
  readonly journal: string;
  readonly lock: string;
}

/** The paths below a state directory (`/var/lib/keelson`). */
export function storePaths(state: string): StorePaths {
  return {
    state,
    repository: join(state, "repo"),
    images: join(state, "images"),
    deployments: join(state, "deployments"),
    once: join(state, "once"),
    mounts: join(state, "mounts"),
    journal: join(state, "journal", "transaction"),
    lock: join(state, "lock"),
  };
}

/** The tree of a stored image; undefined when the change list of one of its layers is not there. */
export function readTree(paths: StorePaths, image: ImageIdentity): DirectoryNode | undefined {
  const layers = readLayers(paths, image);
  return layers === undefined ? undefined : foldLayers(layers);
}

/** Like readTree, but undefined also when a change list is damaged or any object of the image is lost. */
export function readWholeTree(paths: StorePaths, image: ImageIdentity): DirectoryNode | undefined {
  try {
    const layers = readLayers(paths, image);
    return layers !== undefined && objectsOf(image, layers).every((object) => published(paths, object) !== undefined)
      ? foldLayers(layers)
      : undefined;
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return undefined;
    throw error;
  }
}

/** The bytes of a content object; undefined when it is not in the store. */
export function findObject(paths: StorePaths, object: string): Buffer | undefined {
  const path = objectPath(object, "file");
  return published(paths, path) === undefined ? undefined : readFileSync(join(paths.repository, "objects", path));
}

/** The bytes of a content object that is published. Throws E_STORE when it is lost. */
export function readObject(paths: StorePaths, object: string): Buffer {
  const bytes = findObject(paths, object);
  if (bytes !== undefined) return bytes;
  throw new KeelsonError("E_STORE", `the store has lost object ${object}.file`, {
    hint: "Run keelson pull for the image again; it fetches what is missing.",
  });
}

/** Every object an image with these layers needs, as paths below `objects/`. */
export function objectsOf(image: ImageIdentity, layers: readonly (readonly LayerChange[])[]): readonly string[] {
  const objects = layers.flat().flatMap((change) => ("object" in change ? [objectPath(change.object, "file")] : []));
  writeTreeObjects(foldLayers(layers), "", 0, (name, kind) => {
    if (kind !== "commit") objects.push(objectPath(name, kind));
  });
  return [...objects, objectPath(image.commit, "commit")];
}

/** Removes the store itself once there is neither an image nor a container, so that nothing tells it was here. */
export function removeEmptyStore(paths: StorePaths): void {
  const empty = removeIfEmpty(paths.deployments);
  removeIfEmpty(dirname(paths.journal));
  if (!empty || readImages(paths.images).length > 0) return;
  removeTree(paths.repository);
  removeTree(paths.images);
  removeFile(paths.lock);
  removeIfEmpty(paths.state);
}

/** Makes the directory that everything else is in, closed to other users: set-id files in it are nobody's to run. */
export function makeState(paths: StorePaths): void {
  makePrivateDirectory(paths.state);
}

function published(paths: StorePaths, object: string): ReturnType<typeof lstatSync> | undefined {
  return lstatSync(join(paths.repository, "objects", object), { throwIfNoEntry: false });
}

/** The change lists of a stored image, lowest first; undefined when one is not there. */
export function readLayers(paths: StorePaths, image: ImageIdentity): readonly (readonly LayerChange[])[] | undefined {
  const layers: (readonly LayerChange[])[] = [];
  for (const diffId of readDocuments(paths.images, image).config.diffIds) {
    const changes = readChangeList(paths.images, diffId);
    if (changes === undefined) return undefined;
    layers.push(changes);
  }
  return layers;
}

/** True when the directory is gone. */
export function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    if (errnoOf(error) === "ENOTEMPTY") return readdirSync(path).length === 0;
    throw error;
  }
}
