import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../errors.ts";
import { foldLayers } from "../layer/apply.ts";
import type { LayerChange } from "../layer/change.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { readChangeList } from "./change-list.ts";
import { readDocuments, readImages, type StoredImage } from "./images.ts";
import { objectPath } from "./object.ts";

/** Where everything of one store is, as paths for system calls. */
export interface StorePaths {
  readonly state: string;
  readonly repository: string;
  readonly images: string;
  readonly deployments: string;
  /** Bundles of containers that run once. */
  readonly once: string;
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
    journal: join(state, "journal", "transaction"),
    lock: join(state, "lock"),
  };
}

/** The tree of a stored image; undefined when the change list of one of its layers is not there. */
export function readTree(paths: StorePaths, image: StoredImage): DirectoryNode | undefined {
  const layers = readLayers(paths, image);
  return layers === undefined ? undefined : foldLayers(layers);
}

/** The bytes of a content object that is published. */
export function readObject(paths: StorePaths, object: string): Buffer {
  return readFileSync(join(paths.repository, "objects", objectPath(object, "file")));
}

/** Removes the store itself once there is neither an image nor a container, so that nothing tells it was here. */
export function removeEmptyStore(paths: StorePaths): void {
  if (readImages(paths.images).length > 0 || !removeIfEmpty(paths.deployments)) return;
  rmSync(paths.repository, { recursive: true, force: true });
  rmSync(paths.images, { recursive: true, force: true });
  removeIfEmpty(dirname(paths.journal));
  rmSync(paths.lock, { force: true });
  removeIfEmpty(paths.state);
}

/** Makes the directory that everything else is in, closed to other users: set-id files in it are nobody's to run. */
export function makeState(paths: StorePaths): void {
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
}

/** The change lists of a stored image, lowest first; undefined when one is not there. */
export function readLayers(paths: StorePaths, image: StoredImage): readonly (readonly LayerChange[])[] | undefined {
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
