import { createHash } from "node:crypto";
import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { type Compression, type Descriptor, layerCompression } from "../image/manifest.ts";
import { joinParts, type KnownFiles, type LayerPart, planParts } from "./chunked.ts";
import { detectCompression, gathered, inflate, isCompressionError, type TakeBuffer } from "./inflate.ts";
import type { ImageSource } from "./source.ts";
import { mismatch } from "./verify.ts";

interface Blob extends AsyncIterableIterator<Buffer> {
  return(): Promise<IteratorResult<Buffer>>;
}

/** The least that a first piece has, so that its magic number is in it. */
const startSize = 4;
/** A layer that expands to more is refused, in bytes. */
const layerSizeLimit = 16 * 1024 ** 3;

export interface LayerOptions {
  /** Bytes it may expand to. */
  readonly limit?: number | undefined;
  /** Gives the memory for each piece, which may be written over as soon as the next one is asked for. */
  readonly take?: TakeBuffer | undefined;
  /** The digest of all pieces, where whoever takes them hashes them; asked for behind the last one. */
  readonly digest?: (() => Promise<Digest>) | undefined;
  /** Files that need not be fetched where the layer's form lets them be left out. */
  readonly known?: KnownFiles | undefined;
}

/**
 * The tar of a layer, decompressed. Every byte is counted and hashed on its way: the stream ends only when the tar has the
 * digest `diffId` and, if all of the stored bytes were read, they have the descriptor's size and digest; what was read
 * before that is not to be believed. Throws E_DIGEST, E_LAYER, E_LIMIT and what the source throws.
 */
export async function* openLayer(
  source: ImageSource,
  described: Descriptor,
  diffId: Digest,
  { limit = layerSizeLimit, take, digest, known }: LayerOptions = {},
): AsyncGenerator<Buffer> {
  const layer = (await source.held?.(diffId)) ?? described;
  const declared = layerCompression(layer);
  // A digest that is the diff id says more than a type: skopeo writes plain layers of docker-archive to dir: as gzip.
  const compression = layer.digest === diffId ? "none" : declared;
  // The bytes of an uncompressed layer are its tar: one hash speaks for both digests.
  if (compression === "none" && layer.digest !== diffId) throw wrongTar(layer, layer.digest, diffId);
  const parts = compression === "zstd" && known !== undefined ? await planParts(source, layer, known) : undefined;
  const tar = parts === undefined ? wholeTar(source, layer, compression, take) : joinedTar(source, layer, parts, take);
  const hash = createHash("sha256");
  const hashesHere = compression !== "none" && digest === undefined;
  let size = 0;
  for await (const piece of tar) {
    size += piece.length;
    if (size > limit) throw tooLarge(layer, limit);
    if (hashesHere) hash.update(piece);
    yield piece;
  }
  if (compression === "none") return;
  const actual: Digest = digest === undefined ? `sha256:${hash.digest("hex")}` : await digest();
  if (actual !== diffId) throw wrongTar(layer, actual, diffId);
}

async function* wholeTar(
  source: ImageSource,
  layer: Descriptor,
  compression: Compression,
  take: TakeBuffer | undefined,
): AsyncGenerator<Buffer> {
  const blob = lastingFailure(checkedBlob(source, layer, compression));
  try {
    yield* compression === "none" ? blob : inflate(blob, compression, take);
    await drain(blob);
  } catch (error) {
    if (!isCompressionError(error)) throw error;
    // Bytes that were damaged on the way are told from those that were made badly.
    await drain(blob);
    throw damaged(layer, compression, error);
  } finally {
    // Not awaited: while a read is under way it would wait for the far side.
    blob.return().catch(() => undefined);
  }
}

async function* joinedTar(
  source: ImageSource,
  layer: Descriptor,
  parts: readonly LayerPart[],
  take: TakeBuffer | undefined,
): AsyncGenerator<Buffer> {
  try {
    yield* joinParts(source, layer, parts, take);
  } catch (error) {
    if (!isCompressionError(error)) throw error;
    throw mismatch(layer.digest, "its parts do not expand as its table of contents has it");
  }
}

async function* checkedBlob(source: ImageSource, layer: Descriptor, compression: Compression): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of gathered(await source.openBlob(layer), startSize)) {
    if (size === 0 && detectCompression(piece) !== compression) throw mislabelled(layer, piece);
    size += piece.length;
    if (size > layer.size)
      throw mismatch(layer.digest, `it is longer than the ${layer.size} bytes it is described with`);
    hash.update(piece);
    yield piece;
  }
  if (size < layer.size) throw mismatch(layer.digest, `it ended after ${size} of ${layer.size} bytes`);
  const actual = `sha256:${hash.digest("hex")}`;
  if (actual !== layer.digest) throw mismatch(layer.digest, `the bytes that came have the digest ${actual}`);
}

/**
 * `pieces`, but after a failure every further request fails alike: the failure of a check at the very end may reach a
 * decompressor that has ended already and listens no more, and must not be lost with it.
 */
function lastingFailure(pieces: AsyncGenerator<Buffer>): Blob {
  let failure: { readonly error: unknown } | undefined;
  const blob: Blob = {
    [Symbol.asyncIterator]: () => blob,
    next: async () => {
      try {
        const result = await pieces.next();
        if (failure === undefined) return result;
      } catch (error) {
        failure ??= { error };
      }
      throw failure.error;
    },
    return: async () => pieces.return(undefined),
  };
  return blob;
}

async function drain(blob: Blob): Promise<void> {
  while (!(await blob.next()).done);
}

function wrongTar(layer: Descriptor, actual: Digest, diffId: Digest): KeelsonError {
  return mismatch(layer.digest, `it unpacks to ${actual}, but the image's configuration names ${diffId}`);
}

function mislabelled(layer: Descriptor, start: Buffer): KeelsonError {
  return new KeelsonError(
    "E_LAYER",
    `${layer.digest} is called ${layer.mediaType} but its compression is ${detectCompression(start)}`,
    {
      hint: "The image's manifest lies about its layer; build and push the image again.",
    },
  );
}

function damaged(layer: Descriptor, compression: Compression, cause: unknown): KeelsonError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new KeelsonError("E_LAYER", `${layer.digest} is not sound ${compression} data: ${why}`, {
    hint: "The layer was stored this way; build and push the image again.",
    cause,
  });
}

function tooLarge(layer: Descriptor, limit: number): KeelsonError {
  return new KeelsonError("E_LIMIT", `${layer.digest} unpacks to more than ${limit} bytes`, {
    hint: "Check with the image's publisher that this is meant; raise layer_size in keelson.conf if it is.",
  });
}
