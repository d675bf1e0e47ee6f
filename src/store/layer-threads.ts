import { Worker } from "node:worker_threads";
import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import type { NewList } from "./change-list.ts";
import type { HashAnswer } from "./hash-worker.ts";
import { type Emptier, makeSlabs, openFiller, type SlabFiller, type SlabKind } from "./slabs.ts";
import type { UnpackLimits } from "./unpack.ts";
import type { SentError, UnpackAnswer, UnpackWork } from "./unpack-worker.ts";

/** Threads that unpack layers into a repository's staging area and hash them, while this one fetches and expands them. */
export interface LayerThreads {
  /** A layer to be unpacked; several share the threads. */
  open(): ThreadedLayer;
  /** Returns when the threads write nothing any more. What they have under way is never answered. */
  stop(): void;
}

export interface ThreadedLayer {
  /** Memory for the next piece of the layer's stream: what is handed over in it need not be copied. */
  take(): Buffer | Promise<Buffer>;
  /** The digest of the stream; to be asked by the stream itself, after its last piece. */
  digest(): Promise<Digest>;
  /** As unpack does. */
  unpack(stream: AsyncIterable<Buffer>): Promise<NewList>;
}

const form = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Starts them; the caller stops them. `parent` as for openRepository. */
export function startLayerThreads(repository: string, parent: string | undefined, limits: UnpackLimits): LayerThreads {
  const slabs = makeSlabs();
  const filler = openFiller(slabs);
  const layers = new Map<number, Layer>();
  let streams = 0;
  const unpackWork: UnpackWork = { slabs, repository, parent, limits };
  const workers = [startWorker("unpack", unpackWork, answered), startWorker("hash", slabs, answered)];
  for (const worker of workers) {
    worker.on("error", (error) => {
      filler.fail(error);
      for (const layer of layers.values()) fail(layer, error);
    });
  }

  function answered(answer: UnpackAnswer | HashAnswer): void {
    const layer = layers.get(answer.stream);
    if (layer === undefined) return;
    if ("digest" in answer) layer.hashed.resolve(answer.digest);
    else if ("list" in answer) layer.answer.resolve(answer.list);
    else fail(layer, received(answer.failure));
  }

  return {
    open() {
      const number = streams++;
      const layer = openLayer(filler, number);
      layers.set(number, layer);
      return layer;
    },
    stop() {
      filler.stop();
      for (const worker of workers) worker.unref();
    },
  };
}

/** Short-lived objects are all it makes: a small young generation keeps the memory flat. */
function startWorker<T>(name: Emptier, workerData: unknown, answered: (answer: T) => void): Worker {
  const program = new URL(`./${name}-worker.${form}`, import.meta.url);
  const worker = new Worker(program, { workerData, resourceLimits: { maxYoungGenerationSizeMb: 4 } });
  worker.on("message", answered);
  return worker;
}

interface Layer extends ThreadedLayer {
  readonly answer: PromiseWithResolvers<NewList>;
  readonly hashed: PromiseWithResolvers<Digest>;
  failure?: { readonly error: unknown };
}

function fail(layer: Layer, error: unknown): void {
  layer.failure = { error };
  layer.answer.reject(error);
  layer.hashed.reject(error);
}

function openLayer(filler: SlabFiller, number: number): Layer {
  const feed = openFeed(filler, number);
  const layer: Layer = {
    answer: Promise.withResolvers<NewList>(),
    hashed: Promise.withResolvers<Digest>(),
    take: feed.take,
    async digest() {
      await feed.tell("hash");
      return layer.hashed.promise;
    },
    async unpack(stream) {
      try {
        for await (const piece of stream) {
          if (layer.failure !== undefined) throw layer.failure.error;
          await feed.give(piece);
        }
        await feed.tell("finish");
      } catch (error) {
        await feed.tell("abandon");
        throw error;
      }
      return layer.answer.promise;
    },
  };
  // Nobody may be waiting when they fail.
  for (const { promise } of [layer.answer, layer.hashed]) promise.catch(() => undefined);
  return layer;
}

/** What hands the pieces of one layer over. */
interface Feed {
  take(): Buffer | Promise<Buffer>;
  /** Returns once the piece is not needed any more. */
  give(piece: Buffer): Promise<void>;
  tell(kind: SlabKind): Promise<void>;
}

function openFeed(filler: SlabFiller, number: number): Feed {
  // Taken, and not yet handed over.
  let held: Buffer | undefined;

  async function take(): Promise<Buffer> {
    held ??= await filler.take();
    return held;
  }

  function hand(slab: Buffer, length: number, kind: SlabKind): void {
    held = undefined;
    filler.hand(slab, length, number, kind);
  }

  async function copy(piece: Buffer): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const slab = await take();
      const length = piece.copy(slab, 0, at);
      hand(slab, length, "data");
      at += length;
    }
  }

  return {
    take,
    async give(piece) {
      if (filler.owns(piece)) hand(piece, piece.length, "data");
      else await copy(piece);
    },
    tell: async (kind) => hand(await take(), 0, kind),
  };
}

function received(failure: SentError): unknown {
  if ("error" in failure) return Object.assign(failure.error, failure.properties);
  return new KeelsonError(failure.code, failure.message, { hint: failure.hint });
}
