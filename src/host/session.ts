import { errnoOf, KeelsonError } from "../errors.ts";
import { readImages, type StoredImage } from "../store/images.ts";
import { type Lock, takeLock, waitForLock } from "../store/lock.ts";
import { forgetImages, pruneIfMarked } from "../store/prune.ts";
import { sweepStaging } from "../store/repository.ts";
import { makeState, removeEmptyStore, type StorePaths } from "../store/store.ts";
import { readContainers, sweepDeployments } from "./deployments.ts";
import { readHolders, sweepIfMarked } from "./generations.ts";
import { sweepMounts } from "./mounts.ts";
import { sweepOnce } from "./once.ts";
import { finishPrune } from "./prune.ts";
import { readJournal, recover, type TransactionHost } from "./transaction.ts";

/** What a writer works on, and how it goes about it. */
export interface WriterPlaces {
  readonly paths: StorePaths;
  readonly host: TransactionHost;
  /** Wait for another writer instead of failing. */
  readonly wait: boolean;
  readonly signal: AbortSignal;
  /** Deployments of a container that are kept. */
  readonly keep: number;
  say(text: string): void;
}

/**
 * Runs `action` as the one writer of a root. What a crash left half done is finished or taken back first, and said.
 * Afterwards nothing is left of a store that holds nothing. Throws E_LOCKED, E_RECOVER, and what `action` does.
 */
export function runAsWriter<T>(verb: string, places: WriterPlaces, action: () => Promise<T>): Promise<T> {
  return runAsSweeper(verb, places, async () => {
    sweep(places);
    return action();
  });
}

/** Like runAsWriter, for what sweeps by itself: `action` finds the leavings of crashes where they are. */
export async function runAsSweeper<T>(verb: string, places: WriterPlaces, action: () => Promise<T>): Promise<T> {
  const { host, say } = places;
  const lock = await lockOf(`keelson ${verb}`, places);
  try {
    const recovered = await recover(host);
    if (recovered !== undefined) {
      say(
        `${recovered.verb} ${recovered.name} had been interrupted and was ${recovered.direction === "back" ? "taken back" : "finished"}`,
      );
    }
    return await action();
  } finally {
    sweepIfSettled(places);
    lock.release();
  }
}

/**
 * A change that is half done may lead back to anything. What the system does not let go is no failure of what was done:
 * it is said, and stays for the next writer.
 */
function sweepIfSettled(places: WriterPlaces): void {
  try {
    if (readJournal(places.host) !== undefined) return;
    const why = sweep(places);
    if (why !== undefined) places.say(`nothing is removed from the store: ${why}`);
    removeEmptyStore(places.paths);
  } catch (error) {
    if (!(error instanceof Error) || errnoOf(error) === undefined) throw error;
    places.say(`something that is no longer needed could not be removed: ${error.message}`);
  }
}

/** The state directory may go with its last container while somebody waits. */
async function lockOf(command: string, { paths, wait, say, signal }: WriterPlaces): Promise<Lock> {
  makeState(paths);
  return wait ? await waitForLock(paths.lock, command, say, signal) : takeLock(paths.lock, command);
}

/**
 * Removes what nothing points at: deployments that were never put in place, are no longer, or are beyond those kept since
 * an update, images that only came along with a container that is gone. What cannot be removed from the store stays for
 * the next time; the reason.
 */
function sweep({ paths, keep }: WriterPlaces): string | undefined {
  sweepDeployments(paths.deployments);
  sweepIfMarked(paths.deployments, keep);
  sweepOnce(paths.once);
  sweepMounts(paths.mounts);
  sweepStaging(paths.repository);
  try {
    finishPrune(paths, keep);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return error.message;
    throw error;
  }
  const unused = unusedImages(paths);
  return unused.length === 0 ? pruneIfMarked(paths) : forgetImages(paths, unused);
}

function unusedImages(paths: StorePaths): readonly StoredImage[] {
  if (readContainers(paths.deployments).some(({ kind }) => kind === "broken")) return [];
  const used = new Set(readHolders(paths.deployments).map(({ deployment }) => deployment.image.digest));
  return readImages(paths.images).filter(({ kept, digest }) => !kept && !used.has(digest));
}
