import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGzip, createZstdCompress } from "node:zlib";
import { parseImageConfig } from "../image/config.ts";
import {
  convertIndex,
  convertManifest,
  formatOf,
  type ManifestFormat,
  type NewLayer,
  type WrittenManifest,
} from "../image/convert.ts";
import type { Digest } from "../image/digest.ts";
import { type Descriptor, type Index, layerCompression, type Manifest } from "../image/manifest.ts";
import { openNameless } from "./archive.ts";
import { type Branch, readRoot, type TreeOptions } from "./copy-tree.ts";
import type { ImageDestination } from "./destination.ts";
import { spool } from "./docker-save-destination.ts";
import { readRange } from "./file-set.ts";
import { openLayer } from "./layer.ts";
import { withinLimit } from "./resolution.ts";
import type { ImageSource } from "./source.ts";
import { checkBytes, verified } from "./verify.ts";

export interface CopyOptions extends TreeOptions {
  readonly format?: ManifestFormat | undefined;
  /** Compress layers that are not compressed so already; without it they stay as they are. */
  readonly compress?: "gzip" | "zstd" | undefined;
  /** The repository (`HOST/REPOSITORY`) of the source, to take blobs over from. */
  readonly from?: string | undefined;
  readonly cacheDirectory: string;
  readonly signal?: AbortSignal | undefined;
  /** Told of each blob, and of its bytes as they pass. */
  readonly begin: (blob: Digest, size: number) => { advance(bytes: number): void; finish(): void };
}

/** What was copied. Bytes are those that were written as blobs. */
export interface Copied {
  /** Of the manifest or index that was copied, before it was changed in any way. */
  readonly sourceDigest: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly copied: number;
  readonly present: number;
  readonly mounted: number;
  readonly bytes: number;
  readonly signatures: number;
  /** Signatures that the destination cannot hold, or that are of a form that was changed. */
  readonly left: number;
}

interface Work {
  readonly source: ImageSource;
  readonly destination: ImageDestination;
  readonly options: CopyOptions;
  readonly counts: { -readonly [Key in Exclude<keyof Copied, "sourceDigest" | "digest" | "mediaType">]: number };
  readonly seen: Set<Digest>;
}

/**
 * Copies an image blob by blob, each checked on its way, the manifest last. Digests stay as they are unless `format` or
 * `compress` ask for another form. The caller closes both ends. Throws what they throw, E_DIGEST, E_MANIFEST.
 */
export async function copyImage(
  source: ImageSource,
  destination: ImageDestination,
  options: CopyOptions,
): Promise<Copied> {
  const counts = { copied: 0, present: 0, mounted: 0, bytes: 0, signatures: 0, left: 0 };
  const work: Work = { source, destination, options, counts, seen: new Set() };
  const root = await readRoot(source, destination.takesIndex, options);
  const written = await copyBranch(work, root, "top");
  options.signal?.throwIfAborted();
  await destination.commit();
  return { sourceDigest: root.digest, digest: written.digest, mediaType: written.mediaType, ...counts };
}

async function copyBranch(work: Work, branch: Branch, as: "top" | "member"): Promise<WrittenManifest> {
  const { destination, counts } = work;
  const { digest, bytes, document, members, signatures } = branch;
  const written =
    document.kind === "manifest"
      ? await copyManifest(work, bytes, document)
      : await copyIndex(work, bytes, document, members);
  if (signatures.length > 0) {
    const kept = written.digest === digest ? ((await destination.putSignatures?.(digest, as, signatures)) ?? 0) : 0;
    counts.signatures += kept;
    counts.left += signatures.length - kept;
  }
  await destination.putManifest(written, as);
  return written;
}

async function putBlob(work: Work, blob: Descriptor, content: () => Promise<AsyncIterable<Uint8Array>>): Promise<void> {
  const { destination, options, counts, seen } = work;
  if (seen.has(blob.digest)) return;
  seen.add(blob.digest);
  if (await destination.hasBlob(blob)) counts.present += 1;
  else if (options.from !== undefined && (await destination.mountBlob(blob, options.from))) counts.mounted += 1;
  else {
    const progress = options.begin(blob.digest, blob.size);
    await destination.putBlob(blob, counted(verified(await content(), blob, options.signal), progress.advance));
    progress.finish();
    counts.copied += 1;
    counts.bytes += blob.size;
  }
}

async function copyManifest(work: Work, bytes: Uint8Array, manifest: Manifest): Promise<WrittenManifest> {
  const { source, options } = work;
  const format = options.format ?? formatOf(manifest);
  const asItIs = options.compress === undefined && source.held === undefined;
  // Refused before a byte is written, where it can be told.
  if (asItIs) convertManifest(bytes, manifest, format, new Map());
  const diffIds = asItIs ? [] : await readDiffIds(source, manifest, options);
  const replaced = new Map<Digest, NewLayer>();
  for (const [at, layer] of manifest.layers.entries()) {
    const next = await copyLayer(work, layer, diffIds[at]);
    if (next !== undefined) replaced.set(layer.digest, next);
  }
  await putBlob(work, manifest.config, () => source.openBlob(manifest.config));
  return convertManifest(bytes, manifest, format, replaced);
}

/** Copies a layer as it is, compressed, or unpacked where its source holds it so; what it became, if that is another blob. */
async function copyLayer(work: Work, layer: Descriptor, diffId: Digest | undefined): Promise<NewLayer | undefined> {
  const { source, destination, options } = work;
  const { compress } = options;
  const held = (diffId && (await source.held?.(diffId))) ?? layer;
  const present = layer.digest === diffId ? "none" : layerCompression(layer);
  const wanted = compress === undefined || present === compress;
  if (wanted && held.digest === layer.digest) {
    await putBlob(work, layer, () => source.openBlob(layer));
    return undefined;
  }
  if (wanted && (await destination.hasBlob(layer))) {
    work.counts.present += 1;
    return undefined;
  }
  if (compress !== undefined && diffId !== undefined) return copyCompressed(work, layer, diffId, compress);
  await putBlob(work, held, () => source.openBlob(held));
  return { digest: held.digest, size: held.size, compression: "none" };
}

async function copyCompressed(
  work: Work,
  layer: Descriptor,
  diffId: Digest,
  compress: "gzip" | "zstd",
): Promise<NewLayer> {
  const file = await openNameless(work.options.cacheDirectory);
  try {
    const next = await recompress(work.source, layer, diffId, compress, file);
    const type = layer.mediaType.replace(/(?:[+.](?:gzip|zstd))?$/, `+${compress}`);
    const blob = { ...next, mediaType: type, annotations: {} };
    await putBlob(work, blob, async () => readRange(file, 0, next.size, layer.digest));
    return next;
  } finally {
    await file.close();
  }
}

async function copyIndex(
  work: Work,
  bytes: Uint8Array,
  index: Index,
  branches: ReadonlyMap<Digest, Branch>,
): Promise<WrittenManifest> {
  const members = new Map<Digest, WrittenManifest>();
  for (const [digest, branch] of branches) members.set(digest, await copyBranch(work, branch, "member"));
  return convertIndex(bytes, index, work.options.format ?? formatOf(index), members);
}

async function readDiffIds(
  source: ImageSource,
  manifest: Manifest,
  { name, limits }: CopyOptions,
): Promise<readonly Digest[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of await source.openBlob(withinLimit(manifest.config, { name, limits }))) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  checkBytes(bytes, manifest.config, name);
  return parseImageConfig(bytes, manifest.layers.length, name, limits).diffIds;
}

/** Writes the layer, compressed anew, to `file`. */
async function recompress(
  source: ImageSource,
  layer: Descriptor,
  diffId: Digest,
  compression: "gzip" | "zstd",
  file: FileHandle,
): Promise<NewLayer> {
  const compressor = compression === "gzip" ? createGzip() : createZstdCompress();
  const tar = Readable.from(openLayer(source, layer, diffId), { objectMode: false });
  tar.on("error", (error) => compressor.destroy(error));
  const { hex, size } = await spool(tar.pipe(compressor), file);
  return { digest: `sha256:${hex}`, size, compression };
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  advance: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    advance(piece.length);
    yield piece;
  }
}
