import { formatChanges } from "./change-list.ts";
import type { Repository } from "./repository.ts";
import { type UnpackLimits, unpack } from "./unpack.ts";
import { startUnpackThread, type UnpackThread } from "./unpack-thread.ts";

/** Gives a layer's tar, in pieces that may stand in the memory that `take` gives, and then only until the next is asked for. */
export type OpenTar = (take?: () => Buffer | Promise<Buffer>) => AsyncIterable<Buffer>;

/** Unpacks layers into a repository's staging area. */
export interface LayerReader {
  /** Says how many bytes of layers, as stored, are about to be read: many are unpacked in a thread of their own. */
  expect(bytes: number): void;
  /**
   * As unpack does; several may be read at once. The list is what formatChanges gives. The repository does not know yet
   * what of it another thread has staged: see adopt.
   */
  read(open: OpenTar): Promise<Uint8Array>;
  /** Returns when nothing writes any more. */
  stop(): void;
}

/** From so many bytes on a thread pays for its start. */
const threadWorth = 8 * 1024 * 1024;
const pieceSize = 256 * 1024;

/** `parent` as for openRepository. The caller stops it. */
export function openLayerReader(repository: Repository, parent: string | undefined, limits: UnpackLimits): LayerReader {
  let thread: UnpackThread | undefined;

  async function readHere(open: OpenTar): Promise<Uint8Array> {
    const piece = Buffer.allocUnsafeSlow(pieceSize);
    const changes = await unpack(
      open(() => piece),
      repository,
      limits,
    );
    return formatChanges(changes);
  }

  return {
    expect(bytes) {
      if (bytes >= threadWorth) thread ??= startUnpackThread(repository.path, parent, limits);
    },
    async read(open) {
      if (thread === undefined) return readHere(open);
      const layer = thread.open();
      const list = await layer.unpack(open(layer.take));
      repository.writeBack();
      return list;
    },
    stop() {
      thread?.stop();
      thread = undefined;
    },
  };
}
