import { Worker } from "node:worker_threads";
import { KeelsonError } from "../errors.ts";
import { makeSlabs, openFiller, type SlabFiller, type SlabKind } from "./slabs.ts";
import type { UnpackLimits } from "./unpack.ts";
import type { SentError, UnpackAnswer, UnpackWork } from "./unpack-worker.ts";

/** A thread that unpacks layers into a repository's staging area, while this one fetches and expands them. */
export interface UnpackThread {
  /** A layer to be unpacked; several share the thread. */
  open(): ThreadedLayer;
  /** Returns when the thread writes nothing any more. What it has under way is never answered. */
  stop(): void;
}

export interface ThreadedLayer {
  /** Memory for the next piece of the layer's stream: what is handed over in it need not be copied. */
  take(): Buffer | Promise<Buffer>;
  /** As unpack does; the list is what formatChanges gives. */
  unpack(stream: AsyncIterable<Buffer>): Promise<Uint8Array>;
}

const program = import.meta.url.endsWith(".ts") ? "./unpack-worker.ts" : "./unpack-worker.js";

/** Starts it; the caller stops it. `parent` as for openRepository. */
export function startUnpackThread(repository: string, parent: string | undefined, limits: UnpackLimits): UnpackThread {
  const slabs = makeSlabs();
  const filler = openFiller(slabs);
  const workerData: UnpackWork = { slabs, repository, parent, limits };
  // Short-lived objects are all it makes: a small young generation keeps the memory flat.
  const worker = new Worker(new URL(program, import.meta.url), {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
  const layers = new Map<number, Layer>();
  let streams = 0;
  worker.on("message", (answer: UnpackAnswer) => {
    const layer = layers.get(answer.stream);
    if ("list" in answer) return layer?.answer.resolve(answer.list);
    if (layer !== undefined) fail(layer, received(answer.failure));
  });
  worker.on("error", (error) => {
    filler.fail(error);
    for (const layer of layers.values()) fail(layer, error);
  });
  return {
    open() {
      const number = streams++;
      const layer = openLayer(filler, number);
      layers.set(number, layer);
      return layer;
    },
    stop() {
      filler.stop();
      worker.unref();
    },
  };
}

interface Layer extends ThreadedLayer {
  readonly answer: PromiseWithResolvers<Uint8Array>;
  failure?: { readonly error: unknown };
}

function fail(layer: Layer, error: unknown): void {
  layer.failure = { error };
  layer.answer.reject(error);
}

function openLayer(filler: SlabFiller, number: number): Layer {
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

  async function feed(stream: AsyncIterable<Buffer>): Promise<void> {
    for await (const piece of stream) {
      if (layer.failure !== undefined) throw layer.failure.error;
      if (filler.owns(piece)) hand(piece, piece.length, "data");
      else await copy(piece);
    }
    hand(await take(), 0, "finish");
  }

  async function copy(piece: Buffer): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const slab = await take();
      const length = piece.copy(slab, 0, at);
      hand(slab, length, "data");
      at += length;
    }
  }

  const layer: Layer = {
    answer: Promise.withResolvers<Uint8Array>(),
    take,
    async unpack(stream) {
      layer.answer.promise.catch(() => undefined);
      try {
        await feed(stream);
      } catch (error) {
        hand(await take(), 0, "abandon");
        throw error;
      }
      return layer.answer.promise;
    },
  };
  return layer;
}

function received(failure: SentError): unknown {
  if ("error" in failure) return Object.assign(failure.error, failure.properties);
  return new KeelsonError(failure.code, failure.message, { hint: failure.hint });
}
