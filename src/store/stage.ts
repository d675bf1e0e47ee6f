import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import type { ImageConfig } from "../image/config.ts";
import type { Digest } from "../image/digest.ts";
import { foldLayers, type Layer } from "../layer/apply.ts";
import type { LayerChange, ObjectName } from "../layer/change.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { listFile, type NewList, readNewList, readWholeChangeList } from "./change-list.ts";
import { type NewFile, writeAllDurably } from "./durable.ts";
import { addImage, imageFiles, imageRef, type StoredImage } from "./images.ts";
import { type OpenTar, openLayerReader } from "./layer-reader.ts";
import { marked } from "./prune.ts";
import { removeTree } from "./remove.ts";
import { openRepository, type Repository, stageCommit, writeRef } from "./repository.ts";
import { makeState, type StorePaths, storePaths } from "./store.ts";
import type { UnpackLimits } from "./unpack.ts";

/** An image on its way into the store: nothing of it can be seen there before publish(). */
export interface ImageStage {
  readonly repository: Repository;
  /** Whether a layer and everything it names is in the store already, or has been added to this stage. */
  hasLayer(diffId: Digest): boolean;
  /** Says how many bytes of layers, as stored, are about to be added: many are unpacked in threads of their own. */
  expect(bytes: number): void;
  /**
   * Reads the tar of the next layer, lowest first; without one it is the layer that hasLayer knows. Several may be
   * read at once: a layer's place is that of its call, whenever its stream ends. `open` gives the tar, in pieces that may
   * stand in the memory that its argument gives.
   */
  addLayer(diffId: Digest, open?: OpenTar): Promise<void>;
  /** The tree of the layers added, all read to their ends. */
  tree(): DirectoryNode;
  /** The OSTree commit of that tree, staged. */
  commit(digest: Digest, config: ImageConfig): ObjectName;
  /** Puts it into the store; see addImage. */
  publish(image: StoredImage, manifestBytes: Uint8Array, configBytes: Uint8Array): void;
  /** Leaves the store as it was. */
  discard(): void;
}

/** From so many changes on, memory matters more than time. */
const manyChanges = 20_000;

/** A layer of a stage; one that an image names twice is one slot in two places. */
interface Slot {
  readonly diffId: Digest;
  readonly fresh: boolean;
  /** Of one that is fresh, and has been read. */
  list?: NewList;
  /** Of one that the store has. */
  stored?: readonly LayerChange[] | undefined;
}

/**
 * Opens a stage in the store. The caller holds the lock, unless `scratch` names a directory: then the image is staged in
 * a new directory there, can never be published, and the store is only read.
 */
export function openStage(paths: StorePaths, limits: UnpackLimits, scratch?: string): ImageStage {
  const elsewhere = scratch === undefined ? undefined : mkdtempSync(join(scratch, "keelson-"));
  const { own, parent } = placesOf(paths, elsewhere);
  makeState(own);
  const repository = openRepository(own.repository, { parent });
  const slots: Slot[] = [];
  const storedLayer = openStoredLayers(paths.images, repository);
  let folded: DirectoryNode | undefined;
  const reader = openLayerReader(repository, parent, limits);
  function tree(): DirectoryNode {
    folded ??= fold(slots, repository, limits);
    return folded;
  }

  return {
    repository,
    hasLayer: (diffId) => slots.some((slot) => slot.diffId === diffId) || storedLayer(diffId) !== undefined,
    expect: reader.expect,
    async addLayer(diffId, open) {
      folded = undefined;
      const known = slots.find((slot) => slot.diffId === diffId);
      const slot = known ?? { diffId, fresh: open !== undefined };
      slots.push(slot);
      if (known !== undefined) return;
      if (open === undefined) slot.stored = storedLayer(diffId);
      else slot.list = await reader.read(open);
    },
    tree,
    commit(digest, config) {
      reader.stop();
      return stageImageCommit(repository, tree(), digest, config);
    },
    publish(image, manifestBytes, configBytes) {
      if (elsewhere !== undefined) throw new Error("an image staged outside the store cannot be published");
      marked(own, () => {
        // The lists stand in the staging area: they leave it before it is cleared.
        writeAllDurably(filesOf(own.images, slots, manifestBytes, configBytes));
        repository.publish();
        writeRef(repository, imageRef(image.digest), image.commit);
        addImage(own.images, image);
      });
    },
    discard() {
      reader.stop();
      repository.discard();
      if (elsewhere !== undefined) removeTree(elsewhere);
    },
  };
}

/** Where a stage writes, and the repository beside its own that has objects, too. */
function placesOf(paths: StorePaths, elsewhere: string | undefined) {
  if (elsewhere === undefined) return { own: paths, parent: undefined };
  return { own: storePaths(elsewhere), parent: paths.repository };
}

/** Layers that are in the store with everything they name; each is read once. */
function openStoredLayers(
  images: string,
  repository: Repository,
): (diffId: Digest) => readonly LayerChange[] | undefined {
  const stored = new Map<Digest, readonly LayerChange[]>();
  return (diffId) => {
    const changes = stored.get(diffId) ?? readWholeChangeList(images, diffId);
    if (!changes?.every((change) => !("object" in change) || repository.has(change.object, "file"))) return undefined;
    stored.set(diffId, changes);
    return changes;
  };
}

function fold(slots: readonly Slot[], repository: Repository, limits: UnpackLimits): DirectoryNode {
  if (slots.reduce((sum, slot) => sum + (slot.stored ?? listOf(slot)).length, 0) > manyChanges) saveMemory();
  return foldLayers(layersOf(slots, repository), impliedLimit(limits));
}

/**
 * Lets the heaps of all threads grow by no more than a fifth at a time, so that a large tree takes little more than itself.
 * Given to Node when it starts, the option would cost the time to compile what comes compiled.
 */
function saveMemory(): void {
  setFlagsFromString("--heap-growing-percent=20");
}

/** How many directories there may be that only paths of a layer name. */
function impliedLimit({ entries }: UnpackLimits): number {
  return Math.max(1000, Math.floor(entries / 10));
}

/** One after the other: all of them at once would take several times the memory of the tree they make. */
function* layersOf(slots: readonly Slot[], repository: Repository): Generator<Layer> {
  for (const slot of slots) yield slot.stored ?? adopted(readNewList(listOf(slot)), repository);
}

/** A layer that is read, whose objects the repository then knows. */
function adopted(layer: Layer, repository: Repository): Layer {
  return {
    ...layer,
    *[Symbol.iterator]() {
      for (const change of layer) {
        if ("object" in change) repository.adopt(change.object);
        yield change;
      }
    },
  };
}

/** What an image needs beside its objects. */
function* filesOf(
  images: string,
  slots: readonly Slot[],
  manifestBytes: Uint8Array,
  configBytes: Uint8Array,
): Generator<NewFile> {
  for (const slot of new Set(slots)) if (slot.fresh) yield listFile(images, slot.diffId, listOf(slot));
  yield* imageFiles(images, manifestBytes, configBytes);
}

function listOf({ diffId, list }: Slot): NewList {
  if (list === undefined) throw new Error(`layer ${diffId} has not been read`);
  return list;
}

/** Stages the OSTree commit of an image's tree, as far as the repository lacks it; its name. */
export function stageImageCommit(
  repository: Repository,
  tree: DirectoryNode,
  digest: Digest,
  config: ImageConfig,
): ObjectName {
  return stageCommit(repository, tree, digest, secondsOf(config.created));
}

function secondsOf(created: string | undefined): number {
  const time = created === undefined ? Number.NaN : Date.parse(created);
  return Number.isNaN(time) ? 0 : time / 1000;
}
