/** What a slab is handed over for; the number travels in shared memory. `hash` asks for the digest of all before it. */
export const slabKinds = { data: 0, finish: 1, abandon: 2, hash: 3 } as const;
export type SlabKind = keyof typeof slabKinds;

/**
 * Memory that threads share: one fills slabs, each of the others empties all of them, in the order they were handed over. A
 * slab is filled again when the last has emptied it.
 */
export interface SharedSlabs {
  readonly bytes: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

/** The threads that empty, and their numbers. */
const emptiers = { unpack: 0, hash: 1 } as const;
export type Emptier = keyof typeof emptiers;

const slabSize = 256 * 1024;
const slabCount = 16;
/** Of `control`, in words: counters that only grow, and a flag. */
const handed = 0;
const emptied = 1;
const stop = 2;
const queue = 3;
/** A queue entry: slab, stream, length, kind. */
const entrySize = 4;
const stopPatience = 60_000;

/** Behind the queue, of each thread that empties: how many slabs it has emptied, and whether it has stopped. */
const progressSize = 2;
const progress = queue + entrySize * slabCount;
const controlSize = progress + progressSize * Object.keys(emptiers).length;

export function makeSlabs(): SharedSlabs {
  return {
    bytes: new SharedArrayBuffer(slabSize * slabCount),
    control: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * controlSize),
  };
}

/** The side that fills. */
export interface SlabFiller {
  /** An empty slab; waits for one. */
  take(): Buffer | Promise<Buffer>;
  /** Hands over the first `length` bytes of a slab from take. */
  hand(slab: Buffer, length: number, stream: number, kind: SlabKind): void;
  /** Whether these are bytes of a slab from take, from its beginning. */
  owns(bytes: Buffer): boolean;
  /** Whoever waits for a slab gets this error: another thread has died. */
  fail(error: unknown): void;
  /** Returns when the other threads touch nothing any more. */
  stop(): void;
}

export function openFiller({ bytes, control }: SharedSlabs): SlabFiller {
  const words = new Int32Array(control);
  const free = openFreeSlabs(words);
  let failure: unknown;

  function slab(index: number): Buffer {
    return Buffer.from(bytes, index * slabSize, slabSize);
  }

  async function waitForSlab(): Promise<Buffer> {
    for (;;) {
      if (failure !== undefined) throw failure;
      const count = Atomics.load(words, emptied);
      const index = free.take();
      if (index !== undefined) return slab(index);
      await Atomics.waitAsync(words, emptied, count).value;
    }
  }

  return {
    take() {
      const index = free.take();
      return index === undefined ? waitForSlab() : slab(index);
    },
    hand(given, length, stream, kind) {
      const index = given.byteOffset / slabSize;
      const count = Atomics.load(words, handed);
      words.set([index, stream, length, slabKinds[kind]], queue + entrySize * (count % slabCount));
      free.lend(index);
      Atomics.store(words, handed, count + 1);
      Atomics.notify(words, handed);
    },
    owns: (given) => given.buffer === (bytes as ArrayBufferLike) && given.byteOffset % slabSize === 0,
    fail(error) {
      failure = error;
      Atomics.notify(words, emptied);
    },
    stop() {
      Atomics.store(words, stop, 1);
      // They may be waiting for the next slab.
      Atomics.add(words, handed, slabCount);
      Atomics.notify(words, handed);
      for (let at = progress; at < controlSize; at += progressSize) Atomics.wait(words, at + 1, 0, stopPatience);
    },
  };
}

/** The slabs that are with no side; those handed over come back in the same order. */
function openFreeSlabs(words: Int32Array): { take(): number | undefined; lend(index: number): void } {
  const free = Array.from({ length: slabCount }, (_, index) => index);
  const lent: number[] = [];
  let returned = 0;
  function emptiedByAll(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let at = progress; at < controlSize; at += progressSize) least = Math.min(least, Atomics.load(words, at));
    return least;
  }
  return {
    take() {
      for (const count = emptiedByAll(); returned < count; returned++) free.push(lent.shift() ?? 0);
      return free.pop();
    },
    lend: (index) => void lent.push(index),
  };
}

/**
 * A side that empties: calls `use` for each slab until the other side says stop. Blocks the thread
 * while there is nothing to do.
 */
export function emptySlabs(
  { bytes, control }: SharedSlabs,
  emptier: Emptier,
  use: (stream: number, kind: number, bytes: Buffer) => void,
): void {
  const words = new Int32Array(control);
  const own = progress + progressSize * emptiers[emptier];
  try {
    for (let count = 0; ; count++) {
      while (Atomics.load(words, handed) === count) Atomics.wait(words, handed, count);
      if (Atomics.load(words, stop) === 1) return;
      const at = queue + entrySize * (count % slabCount);
      const [index = 0, stream = 0, length = 0, kind = 0] = words.subarray(at, at + entrySize);
      use(stream, kind, Buffer.from(bytes, index * slabSize, length));
      Atomics.add(words, own, 1);
      Atomics.add(words, emptied, 1);
      Atomics.notify(words, emptied);
    }
  } finally {
    Atomics.store(words, own + 1, 1);
    Atomics.notify(words, own + 1);
  }
}
