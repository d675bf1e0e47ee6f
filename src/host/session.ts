import type { Digest } from "../image/digest.ts";
import { readImages } from "../store/images.ts";
import { takeLock } from "../store/lock.ts";
import { forgetImage, pruneIfMarked } from "../store/prune.ts";
import { makeState, removeEmptyStore, type StorePaths } from "../store/store.ts";
import { readContainers, sweepDeployments } from "./deployments.ts";
import { readGenerations } from "./generations.ts";
import { sweepOnce } from "./once.ts";
import { readJournal, recover, type TransactionHost } from "./transaction.ts";

/**
 * Runs `action` as the one writer of this root. What a crash left half done is finished or taken back first, and said
 * through `say`. Afterwards nothing is left of a store that holds nothing. Throws E_LOCKED, E_RECOVER, and what `action` does.
 */
export async function asWriter<T>(
  verb: string,
  paths: StorePaths,
  host: TransactionHost,
  say: (text: string) => void,
  action: () => Promise<T>,
): Promise<T> {
  makeState(paths);
  const lock = takeLock(paths.lock, `keelson ${verb}`);
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
