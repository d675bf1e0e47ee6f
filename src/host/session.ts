import type { Digest } from "../image/digest.ts";
import { readImages } from "../store/images.ts";
import { type Lock, takeLock, waitForLock } from "../store/lock.ts";
import { forgetImage, pruneIfMarked } from "../store/prune.ts";
import { makeState, removeEmptyStore, type StorePaths } from "../store/store.ts";
import { readContainers, sweepDeployments } from "./deployments.ts";
import { readGenerations } from "./generations.ts";
import { sweepOnce } from "./once.ts";
import { readJournal, recover, type TransactionHost } from "./transaction.ts";

/** What a writer works on, and how it goes about it. */
export interface WriterPlaces {
  readonly paths: StorePaths;
  readonly host: TransactionHost;
  /** Wait for another writer instead of failing. */
  readonly wait: boolean;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/**
 * Runs `action` as the one writer of a root. What a crash left half done is finished or taken back first, and said.
 * Afterwards nothing is left of a store that holds nothing. Throws E_LOCKED, E_RECOVER, and what `action` does.
 */
export async function runAsWriter<T>(verb: string, places: WriterPlaces, action: () => Promise<T>): Promise<T> {
  const { paths, host, say } = places;
  const lock = await lockOf(`keelson ${verb}`, places);
  try {
    const recovered = await recover(host);
    if (recovered !== undefined) {
      say(
        `${recovered.verb} ${recovered.name} had been interrupted and was ${recovered.direction === "back" ? "taken back" : "finished"}`,
      );
    }
    sweep(paths);
    return await action();
  } finally {
    if (readJournal(host) === undefined) {
      sweep(paths);
      removeEmptyStore(paths);
    }
    lock.release();
  }
}

/** The state directory may go with its last container while somebody waits. */
async function lockOf(command: string, { paths, wait, say, signal }: WriterPlaces): Promise<Lock> {
  makeState(paths);
  return wait ? await waitForLock(paths.lock, command, say, signal) : takeLock(paths.lock, command);
}

/**
 * Removes what nothing points at: deployments that were never put in place or are no longer, images that only came along
 * with a container that is gone.
 */
function sweep(paths: StorePaths): void {
  sweepDeployments(paths.deployments);
  sweepOnce(paths.once);
  pruneIfMarked(paths);
  const containers = readContainers(paths.deployments);
  if (containers.every((container) => container.kind === "installed")) {
    const used = new Set(containers.flatMap(({ name }) => digestsOf(paths.deployments, name)));
    for (const image of readImages(paths.images)) {
      if (!image.kept && !used.has(image.digest)) forgetImage(paths, image);
    }
  }
}

/** The images of every deployment that could be gone back to. */
function digestsOf(deployments: string, name: string): readonly Digest[] {
  return readGenerations(deployments, name).flatMap(({ deployment }) => deployment?.image.digest ?? []);
}
