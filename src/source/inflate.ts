import type { Transform } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { errnoOf } from "../errors.ts";
import type { Compression } from "../image/manifest.ts";

// A thread of the pool inflates each piece: small pieces spend their time on the way there and back.
const pieceSize = 512 * 1024;
const outputSize = 1024 * 1024;
// 128 MiB, which `zstd --long=27` writes; a larger window is how a small layer would fill the memory.
const zstdWindowLog = 27;

/** How bytes that begin with `start` are compressed, by their magic number; at least 4 bytes unless there are no more. */
export function detectCompression(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return "gzip";
  if (start.length < 4) return "none";
  const magic = new DataView(start.buffer, start.byteOffset, 4).getUint32(0, true);
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? "zstd" : "none";
}

/**
 * What `compressed` expands to, in pieces of up to 1 MiB; several gzip members or zstd frames are one stream. Bytes behind
 * the end of the compressed data may be left unread. Throws what isCompressionError knows, and what `compressed` throws.
 */
export async function* inflate(
  compressed: AsyncIterator<Uint8Array>,
  compression: "gzip" | "zstd",
): AsyncGenerator<Buffer> {
  const options = { chunkSize: outputSize, highWaterMark: 2 * outputSize };
  const stream =
    compression === "gzip"
      ? createGunzip(options)
      : createZstdDecompress({ ...options, params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } });
  feed(compressed, stream).catch((error) => stream.destroy(error));
  for await (const piece of stream) yield piece;
}

/** Whether `error` says that compressed data is damaged or asks for too much memory. */
export function isCompressionError(error: unknown): boolean {
  return /^(?:Z_|ZSTD_|ERR_ZLIB)/i.test(errnoOf(error) ?? "");
}

/** The same bytes in pieces of at least 512 KiB, the last one aside. */
export async function* gathered(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    size += piece.length;
    if (size < pieceSize) continue;
    yield Buffer.concat(waiting);
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
