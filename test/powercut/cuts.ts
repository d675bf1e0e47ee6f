/** When the power goes, and how. */
export interface Cut {
  readonly number: number;
  /** In which update since the machine has come up: the first, or the second, before which one has been done. */
  readonly update: 1 | 2;
  /**
   * Whether what the disk had in its cache is lost, or gets written nevertheless. Where it is lost, the moment is one of the
   * disk: an update has many short ones in which something is in the cache.
   */
  readonly cache: "lost" | "written";
  /** How far the update has got: the part of all that it writes, or of the time that one takes and a tenth more. */
  readonly part: number;
  /** The power goes once more, while the machine comes up again: how long after, in parts of the time that takes. */
  readonly again?: number;
}

/**
 * So many cuts at random moments, in random order, each with an equal part of an update's time to itself, so that no
 * part of it is left out.
 */
export function chooseCuts(count: number, random: () => number): readonly Cut[] {
  const parts = Array.from({ length: count }, (_, part) => ({ part, key: random() })).sort((a, b) => a.key - b.key);
  return parts.map(({ part }, index) => ({
    number: index + 1,
    update: index % 4 === 3 ? 2 : 1,
    cache: part % 2 === 0 ? "lost" : "written",
    part: (part + random()) / count,
    ...(index % 5 === 4 ? { again: random() } : {}),
  }));
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
