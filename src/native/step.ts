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

/** Expands one member of a gzip file at a time. */
export interface MemberInflater {
  /** `ended` once the member is whole. */
  inflate(input: Uint8Array, output: Uint8Array): Step & { readonly ended: boolean };
  /** Makes it ready for the next member. */
  reset(): void;
  close(): void;
}

/** All members of a gzip file. Zeros behind the last one are padding; anything else has to be another member. */
export function throughMembers({ inflate, reset, close }: MemberInflater): Inflater {
  let ended = false;
  let ignoring = false;

  function step(input: Uint8Array, output: Uint8Array): Step {
    if (ended && input.length > 0) ignoring ||= input[0] === 0;
    if (ignoring) return { read: input.length, written: 0 };
    if (ended && input.length === 0) return { read: 0, written: 0 };
    if (ended) reset();
    const done = inflate(input, output);
    ended = done.ended;
    return done;
  }

  return { step, complete: () => ended, close };
}
