import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { namesIn } from "../store/directory.ts";
import { isBeside, setMark, syncDirectory } from "../store/durable.ts";
import { bytesFreed } from "../store/freed.ts";
import { readImages, removeImages, type StoredImage } from "../store/images.ts";
import { findGarbage, marked, removeGarbage, type StoreGarbage } from "../store/prune.ts";
import { removeFile, removeTree } from "../store/remove.ts";
import type { StorePaths } from "../store/store.ts";
import { readContainers, unfinishedDeployments } from "./deployments.ts";
import { type Holder, type Place, readHolders, removeGeneration, spareGenerations } from "./generations.ts";
import { leftCheckouts } from "./mounts.ts";
import { leftBundles } from "./once.ts";

/** What nobody needs, and what its removal frees. */
export interface PrunePlan {
  /** Deployments beyond those that are kept. */
  readonly generations: readonly Place[];
  readonly images: readonly StoredImage[];
  readonly store: StoreGarbage;
  /** What commands that were cut short have left among the deployments, as paths. */
  readonly leftovers: readonly string[];
  /** Bytes. */
  readonly freed: number;
  /** Why images stay that may be nobody's: containers that cannot be read, which may need any. */
  readonly unreadable: readonly string[];
}

/**
 * What nobody needs: not a deployment that is kept, pinned, current or lived in, not an image that was pulled for its own
 * sake and has its name. Reads only. Throws E_STORE when it is not known what an image needs.
 */
export function planPrune(paths: StorePaths, keep: number): PrunePlan {
  const containers = readContainers(paths.deployments);
  const readable = containers.filter(({ kind }) => kind === "installed").map(({ name }) => name);
  const unreadable = containers.filter(({ kind }) => kind === "broken").map(({ name }) => name);
  const leftovers = [
    ...unfinishedDeployments(paths.deployments),
    ...besides(paths.deployments),
    ...leftBundles(paths.once),
    ...leftCheckouts(paths.mounts),
  ];
  const generations = readable
    .flatMap((name) => spareGenerations(paths.deployments, name, keep))
    .filter((place) => !leftovers.includes(placePath(paths, place)));
  const going = new Set([...generations.map((place) => placePath(paths, place)), ...leftovers]);
  const all = readImages(paths.images);
  const used = new Set<Digest>();
  for (const holder of readHolders(paths.deployments)) {
    if (going.has(placePath(paths, holder)) || going.has(join(paths.deployments, holder.name))) continue;
    const needed = holder.deployment.image.digest;
    if (!all.some(({ digest }) => digest === needed)) throw lostImage(holder);
    used.add(needed);
  }
  const images = all.filter(
    ({ reference, kept, digest }) => unreadable.length === 0 && !used.has(digest) && !(kept && reference !== undefined),
  );
  const store = findGarbage(
    paths,
    all.filter((image) => !images.includes(image)),
  );
  const removed = [...going, ...store.refs, ...store.documents, ...store.layers, ...store.objects, ...store.leftovers];
  return { generations, images, store, leftovers, freed: bytesFreed(removed), unreadable };
}

/** Does it. Cut short, the next writer does the rest: a mark stands meanwhile. */
export function applyPrune(paths: StorePaths, plan: PrunePlan): void {
  const mark = markOf(paths);
  const made = mkdirSync(dirname(mark), { recursive: true, mode: 0o700 });
  if (made !== undefined) syncDirectory(dirname(made));
  setMark(mark);
  for (const place of plan.generations) removeGeneration(paths.deployments, place);
  for (const path of plan.leftovers) removeTree(path);
  marked(paths, () => {
    if (plan.images.length > 0) removeImages(paths.images, plan.images);
    removeGarbage(plan.store);
  });
  removeFile(mark);
}

/** Prunes if a prune was cut short. Throws what planPrune throws. */
export function finishPrune(paths: StorePaths, keep: number): void {
  if (existsSync(markOf(paths))) applyPrune(paths, planPrune(paths, keep));
}

function markOf(paths: StorePaths): string {
  return join(dirname(paths.journal), "prune");
}

function lostImage({ name, number, deployment }: Holder): KeelsonError {
  const { digest } = deployment.image;
  return new KeelsonError("E_STORE", `what generation ${number} of ${name} needs is not known: ${digest} is lost`, {
    hint: "keelson verify --repair brings it back; until then nothing is removed from the store.",
  });
}

function placePath(paths: StorePaths, { name, number }: Place): string {
  return join(paths.deployments, name, String(number));
}

/** What was being written beside its place in deployments when a command was cut short. */
function besides(deployments: string): readonly string[] {
  return namesIn(deployments).flatMap((name) => {
    const container = join(deployments, name);
    const numbers = namesIn(container).filter((entry) => /^[1-9][0-9]*$/.test(entry));
    const directories = [container, ...numbers.map((entry) => join(container, entry))];
    return directories.flatMap((directory) =>
      namesIn(directory)
        .filter(isBeside)
        .map((entry) => join(directory, entry)),
    );
  });
}
