/** Whole numbers from 0 up to `below`. */
export type Random = (below: number) => number;

/** Makes another input of one, with a piece of a second perhaps, or with words. */
export type Mutation = (input: Buffer, random: Random, other: Buffer, words: readonly Buffer[]) => Buffer;

/** Something that reads bytes of strangers. */
export interface Target {
  readonly name: string;
  /** What is mutated first: right inputs, and some of every kind. */
  readonly seeds: readonly Buffer[];
  /** Words that the format gives a meaning; text is UTF-8. Those that its reader's source names are added. */
  readonly words: readonly (string | Buffer)[];
  /** Mutations that know the format, tried as often as those of bytes. */
  readonly mutations?: readonly Mutation[];
  /** Makes right what a mutation has nearly always broken, such as a checksum; in place. */
  readonly mend?: (input: Buffer) => Buffer;
  /** Throws only for a defect: what says that the input is bad is caught here. */
  readonly run: (input: Buffer) => void;
}

/** An input no longer than this is tried, and now and then one with so much of the same thing in it. */
export const inputLimit = 16 * 1024;
export const stretchLimit = 128 * 1024;
