import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { KeelsonError } from "../errors.ts";
import { type ChunkedFile, parseTableOfContents, type TableOfContents, tableOfContents } from "../image/chunked.ts";
import { digestOf } from "../image/digest.ts";
import type { Descriptor } from "../image/manifest.ts";
import { inflate, isCompressionError, type TakeBuffer } from "./inflate.ts";
import type { ImageSource } from "./source.ts";
import { mismatch } from "./verify.ts";

/** The paths of files of this machine that may be what a layer has at `path`, with that size. */
export type KnownFiles = (path: string, size: number) => readonly string[];

/** One part of a layer's tar, in their order: what the frames in these bytes of the blob expand to, or a file's content. */
export type LayerPart =
  | { readonly kind: "frames"; readonly from: number; readonly to: number }
  | { readonly kind: "file"; readonly file: string; readonly size: number };

/** A request costs about as much time as so many bytes: a file that takes fewer in the blob is fetched. */
export const requestWorth = 128 * 1024;
/** The part of a layer, in bytes of its blob, that has to be here already to look closer. */
const leastSaved = 1 / 8;
const pieceSize = 1024 * 1024;

/**
 * How the tar of a layer in the form zstd:chunked is made of files that are here and of what has to be fetched; undefined
 * where it is not such a layer, its registry gives no parts, or it is not worth the requests. What is in the files has been
 * checked. Throws what the source throws.
 */
export async function planParts(
  source: ImageSource,
  layer: Descriptor,
  known: KnownFiles,
): Promise<readonly LayerPart[] | undefined> {
  const table = tableOfContents(layer);
  if (table === undefined || source.openRange === undefined || layer.size < requestWorth) return undefined;
  const files = await readTable(source, layer, table);
  const large = files?.filter(({ from, to }) => to - from >= requestWorth) ?? [];
  const likely = large.filter(({ path, size }) => known(path, size).length > 0);
  if (saved(likely) < layer.size * leastSaved) return undefined;
  const parts: LayerPart[] = [];
  let at = 0;
  for (const { path, size, digest, from, to } of likely) {
    const file = await findContent(known(path, size), size, digest);
    if (file === undefined) continue;
    if (from > at) parts.push({ kind: "frames", from: at, to: from });
    parts.push({ kind: "file", file, size });
    at = to;
  }
  if (table.end > at) parts.push({ kind: "frames", from: at, to: table.end });
  return parts;
}

/** The tar that the parts make. What was fetched is not checked. Throws E_DIGEST, E_REGISTRY, and what the source throws. */
export async function* joinParts(
  source: ImageSource,
  layer: Descriptor,
  parts: readonly LayerPart[],
  take: TakeBuffer = () => Buffer.allocUnsafeSlow(pieceSize),
): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (part.kind === "file") yield* readFile(part.file, part.size, take);
    else yield* inflate(bytesIn(source, layer, part.from, part.to), "zstd", take);
  }
}

const saved = (files: readonly ChunkedFile[]): number => files.reduce((sum, { from, to }) => sum + to - from, 0);

/** undefined for one that is not what the manifest says: then the layer is read as any other is. */
async function readTable(
  source: ImageSource,
  layer: Descriptor,
  { from, to, digest, size, end }: TableOfContents,
): Promise<readonly ChunkedFile[] | undefined> {
  const stored = await source.openRange?.(layer, from, to);
  if (stored === undefined) return undefined;
  const bytes = await gather(stored, to - from);
  if (digestOf(bytes) !== digest) return undefined;
  try {
    const text = await gather(inflate(only(bytes), "zstd"), size);
    return parseTableOfContents(text, layer.digest, end);
  } catch (error) {
    if (error instanceof KeelsonError || isCompressionError(error)) return undefined;
    throw error;
  }
}

/** At most so many bytes. */
async function gather(pieces: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const gathered: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    gathered.push(Buffer.from(piece));
    size += piece.length;
    if (size > limit) break;
  }
  return Buffer.concat(gathered);
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* bytesIn(source: ImageSource, layer: Descriptor, from: number, to: number): AsyncGenerator<Uint8Array> {
  const bytes = await source.openRange?.(layer, from, to);
  if (bytes === undefined) throw mismatch(layer.digest, "the registry gave parts of it before, and does not any more");
  yield* bytes;
}

async function findContent(files: readonly string[], size: number, digest: string): Promise<string | undefined> {
  for (const file of files) {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafeSlow(pieceSize);
    for await (const piece of readFile(file, size, () => buffer)) hash.update(piece);
    if (`sha256:${hash.digest("hex")}` === digest) return file;
  }
  return undefined;
}

/** A file's bytes, as many as it should have; fewer where it has fewer. */
async function* readFile(path: string, size: number, take: TakeBuffer): AsyncGenerator<Buffer> {
  const file: FileHandle = await open(path);
  try {
    for (let at = 0; at < size; ) {
      const buffer = await take();
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
