import type { Digest } from "../image/digest.ts";
import type { NewList } from "./change-list.ts";
import { type LayerThreads, startLayerThreads } from "./layer-threads.ts";
import type { Repository } from "./repository.ts";
import { type UnpackLimits, unpack } from "./unpack.ts";

/** What reads a layer's tar. */
export interface TarTaker {
  /** Memory that a piece may stand in until the next is asked for. */
  take(): Buffer | Promise<Buffer>;
  /** The digest of all pieces, after the last; without it they are hashed nowhere. */
  digest?(): Promise<Digest>;
}

/** Gives a layer's tar. */
export type OpenTar = (taker?: TarTaker) => AsyncIterable<Buffer>;

/** Unpacks layers into a repository's staging area. */
export interface LayerReader {
  /** Says how many bytes of layers, as stored, are about to be read: many are unpacked in threads of their own. */
  expect(bytes: number): void;
  /** As unpack does; several may be read at once. What is staged the repository knows only when it has adopted it. */
  read(open: OpenTar): Promise<NewList>;
  /** Returns when nothing writes any more. */
  stop(): void;
}

/** From so many bytes on threads pay for their start. */
const threadWorth = 16 * 1024 * 1024;
const pieceSize = 256 * 1024;

/** `parent` as for openRepository. The caller stops it. */
export function openLayerReader(repository: Repository, parent: string | undefined, limits: UnpackLimits): LayerReader {
  let threads: LayerThreads | undefined;

  async function readHere(open: OpenTar): Promise<NewList> {
    const piece = Buffer.allocUnsafeSlow(pieceSize);
    return unpack(open({ take: () => piece }), repository, limits);
  }

  return {
    expect(bytes) {
      if (bytes >= threadWorth) threads ??= startLayerThreads(repository.path, parent, limits);
    },
    async read(open) {
      if (threads === undefined) return readHere(open);
      const layer = threads.open();
      const list = await layer.unpack(open(layer));
      repository.writeBack();
      return list;
    },
    stop() {
      threads?.stop();
      threads = undefined;
    },
  };
}
