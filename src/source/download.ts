import { KeelsonError, printable } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import { mismatch } from "./verify.ts";

const dropLimit = 5;
const progressSize = 1024 * 1024;

/** A part of a blob that begins with the byte `start`. */
export interface BlobPart {
  readonly start: number;
  readonly body: AsyncIterable<Buffer>;
}

export interface Download {
  readonly blob: Descriptor;
  /** What of the blob is wanted: the bytes from `from` to before `to`. */
  readonly from: number;
  readonly to: number;
  /** How messages call the source. */
  readonly name: string;
  /** Asks for what is wanted from `offset` on; the far side may answer with an earlier start. */
  readonly open: (offset: number) => Promise<BlobPart>;
  /** Whether the connection broke, so that the rest may be asked for. */
  readonly isDrop: (error: unknown) => boolean;
  /** Waits before asking again, after drop number `drops`. */
  readonly pause: (drops: number) => Promise<void>;
  /** Milliseconds without a further MiB after which a drop is the last one. */
  readonly patience: number;
}

/**
 * The bytes that are wanted across dropped connections: up to 5 in a row without a further MiB between them, in the time there
 * is patience for. Where the far side starts over, what has been given out already is skipped; whether it was the same is for
 * the digest to tell. Throws E_DIGEST for more bytes than described, E_REGISTRY when the drops are too many, and what `open`
 * throws.
 */
export async function* downloaded(download: Download, first: BlobPart): AsyncGenerator<Buffer> {
  const { blob, name, from, to } = download;
  let part = first;
  let done = from;
  let drops = 0;
  let mark = from;
  let progressed = performance.now();
  for (;;) {
    let cause: unknown;
    try {
      for await (const piece of afterBytes(part.body, done - part.start)) {
        const rest = to - done;
        if (piece.length > rest && to === blob.size)
          throw mismatch(name, `${blob.digest} is longer than its ${blob.size} bytes`);
        const wanted = piece.length > rest ? piece.subarray(0, rest) : piece;
        done += wanted.length;
        if (wanted.length > 0) yield wanted;
        if (done === to && to < blob.size) return;
      }
    } catch (error) {
      if (!download.isDrop(error)) throw error;
      cause = error;
    }
    if (done === to) return;
    if (done - mark >= progressSize) {
      drops = 0;
      progressed = performance.now();
    }
    mark = done;
    drops += 1;
    if (drops > dropLimit || performance.now() - progressed > download.patience)
      throw brokenOff(blob, name, done, cause);
    await download.pause(drops);
    part = await download.open(done);
  }
}

async function* afterBytes(pieces: AsyncIterable<Buffer>, count: number): AsyncGenerator<Buffer> {
  let skip = count;
  for await (const piece of pieces) {
    const rest = skip === 0 ? piece : piece.subarray(skip);
    skip -= piece.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}

function brokenOff(blob: Descriptor, name: string, done: number, cause: unknown): KeelsonError {
  const message = `${name}: ${blob.digest} broke off at ${done} of ${blob.size} bytes, time and again${cause instanceof Error ? ` (${printable(cause.message)})` : ""}`;
  return new KeelsonError("E_REGISTRY", message, {
    hint: "Check the network between this machine and the registry, and try again.",
    cause,
  });
}
