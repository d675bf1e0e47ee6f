import { createHash, type Hash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import type { Digest } from "../image/digest.ts";
import { emptySlabs, type SharedSlabs, slabKinds } from "./slabs.ts";

/** What it says of a layer that is asked for its digest: that of the tar so far. */
export interface HashAnswer {
  readonly stream: number;
  readonly digest: Digest;
}

/** Hashes layers as their slabs come. */
function main(slabs: SharedSlabs): void {
  const hashes = new Map<number, Hash>();
  emptySlabs(slabs, "hash", (stream, kind, bytes) => {
    const hash = hashes.get(stream) ?? createHash("sha256");
    if (kind === slabKinds.data) hashes.set(stream, hash.update(bytes));
    else hashes.delete(stream);
    if (kind !== slabKinds.hash) return;
    parentPort?.postMessage({ stream, digest: `sha256:${hash.digest("hex")}` } satisfies HashAnswer);
  });
}

main(workerData);
