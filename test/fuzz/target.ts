/** Something that reads bytes of strangers. */
export interface Target {
  readonly name: string;
  /** What is mutated first: right inputs, and some of every kind. */
  readonly seeds: readonly Buffer[];
  /** Words that the format gives a meaning. */
  readonly words: readonly string[];
  /** Makes right what a mutation has nearly always broken, such as a checksum. */
  readonly mend?: (input: Buffer) => Buffer;
  /** Throws only for a defect: what says that the input is bad is caught here. */
  readonly run: (input: Buffer) => void;
}

/** An input no longer than this is tried. */
export const inputLimit = 16 * 1024;
