/** Decompresses piece by piece, in the thread that asks. */
export interface Inflater {
  /**
   * Expands some of `input` into some of `output`. Compressed data that has ended, and what may be ignored behind it, counts as
   * read. Throws an Error whose code begins with `Z_` or `ZSTD_` for damaged data.
   */
  step(input: Uint8Array, output: Uint8Array): Step;
  /** Whether the compressed data may end here. */
  complete(): boolean;
  /** Frees what it holds; needed once, also after an error. */
  close(): void;
}

/** Bytes read and written by one step. Either is 0 with nothing more to be had from this input or room in this output. */
export interface Step {
  readonly read: number;
  readonly written: number;
}

export function compressionError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
