import type { Transform } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { errnoOf } from "../errors.ts";
import type { Compression } from "../image/manifest.ts";
import { openInflater } from "../native/inflater.ts";
import { compressionError, type Inflater } from "../native/step.ts";

// A thread of the pool inflates each piece: small pieces spend their time on the way there and back.
const pieceSize = 512 * 1024;
const outputSize = 1024 * 1024;
// 128 MiB, which `zstd --long=27` writes; a larger window is how a small layer would fill the memory.
const zstdWindowLog = 27;

/** Where the next piece of a stream is written, once the last one is not needed any more. */
export type TakeBuffer = () => Buffer | Promise<Buffer>;

/** How bytes that begin with `start` are compressed, by their magic number; at least 4 bytes unless there are no more. */
export function detectCompression(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return "gzip";
  if (start.length < 4) return "none";
  const magic = new DataView(start.buffer, start.byteOffset, 4).getUint32(0, true);
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? "zstd" : "none";
}

/**
 * What `compressed` expands to, in pieces of up to 1 MiB, or as large as the buffers `take` gives; several gzip members or
 * zstd frames are one stream. Bytes behind the end of the compressed data may be left unread. Throws what
 * isCompressionError knows, and what `compressed` throws.
 */
export async function* inflate(
  compressed: AsyncIterator<Uint8Array>,
  compression: "gzip" | "zstd",
  take: TakeBuffer = () => Buffer.allocUnsafeSlow(outputSize),
): AsyncGenerator<Buffer> {
  const inflater = openInflater(compression, zstdWindowLog);
  yield* inflater === undefined ? inflateInPool(compressed, compression) : inflateHere(compressed, inflater, take);
}

/** The same with one inflater, which is closed. Every piece but the last is as large as its buffer. */
export async function* inflateHere(
  compressed: AsyncIterator<Uint8Array>,
  inflater: Inflater,
  take: TakeBuffer,
): AsyncGenerator<Buffer> {
  try {
    let output = await take();
    let filled = 0;
    for (let more = true; more; ) {
      const { done, value } = await compressed.next();
      more = !done;
      let rest = done ? new Uint8Array(0) : value;
      for (;;) {
        const { read, written } = inflater.step(rest, output.subarray(filled));
        rest = rest.subarray(read);
        filled += written;
        if (filled === output.length) {
          yield output;
          output = await take();
          filled = 0;
        } else if (rest.length === 0 || read + written === 0) break;
      }
    }
    if (filled > 0) yield output.subarray(0, filled);
  } finally {
    inflater.close();
  }
  if (!inflater.complete()) throw compressionError("Z_BUF_ERROR", "unexpected end of file");
}

/** The same by Node's streams, in threads of its pool. */
export async function* inflateInPool(
  compressed: AsyncIterator<Uint8Array>,
  compression: "gzip" | "zstd",
): AsyncGenerator<Buffer> {
  const options = { chunkSize: outputSize, highWaterMark: 2 * outputSize };
  const stream =
    compression === "gzip"
      ? createGunzip(options)
      : createZstdDecompress({ ...options, params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } });
  const pieces = gathered({ [Symbol.asyncIterator]: () => compressed });
  feed(pieces, stream).catch((error) => stream.destroy(error));
  for await (const piece of stream) yield piece;
}

/** Whether `error` says that compressed data is damaged or asks for too much memory. */
export function isCompressionError(error: unknown): boolean {
  return /^(?:Z_|ZSTD_|ERR_ZLIB)/i.test(errnoOf(error) ?? "");
}

/** The same bytes in pieces of at least `least` bytes, the last one aside. */
export async function* gathered(pieces: AsyncIterable<Uint8Array>, least = pieceSize): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size < least || waiting.length > 0) waiting.push(piece);
    if (size < least) continue;
    yield waiting.length > 0 ? Buffer.concat(waiting) : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

async function feed(compressed: AsyncIterator<Uint8Array>, stream: Transform): Promise<void> {
  // zlib stops reading at zeros behind the last member, and then never asks for more: the end has to wake this up too.
  const ended = new Promise<void>((resolve) => {
    stream.once("end", resolve).once("close", resolve);
  });
  for (;;) {
    const { done, value } = await compressed.next();
    if (stream.destroyed || stream.readableEnded) return;
    if (done) break;
    if (stream.write(value)) continue;
    await Promise.race([ended, new Promise<void>((resolve) => stream.once("drain", resolve))]);
  }
  stream.end();
}
