import { blockSize } from "./header.ts";

/** Takes the content of one entry out of the archive's bytes. */
export interface ContentReader {
  /** What is left behind the content and its padding. */
  take(bytes: Buffer): Buffer;
  /** Whether content and padding have passed. */
  done(): boolean;
}

/** Delivers `size` bytes, calls `end`, and drops the padding to a whole block. */
export function contentReader(size: number, deliver: (chunk: Buffer) => void, end: () => void): ContentReader {
  let wanted = size;
  let padding = (blockSize - (size % blockSize)) % blockSize;
  if (wanted === 0) end();
  return {
    take(bytes) {
      let rest = bytes;
      if (wanted > 0) {
        const part = rest.subarray(0, wanted);
        if (part.length > 0) deliver(part);
        wanted -= part.length;
        rest = rest.subarray(part.length);
        if (wanted === 0) end();
      }
      if (wanted > 0) return rest;
      const dropped = Math.min(padding, rest.length);
      padding -= dropped;
      return rest.subarray(dropped);
    },
    done: () => wanted === 0 && padding === 0,
  };
}
