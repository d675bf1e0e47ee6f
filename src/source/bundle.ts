import type { Digest } from "../image/digest.ts";
import { hexOf } from "../image/digest.ts";
import { type Descriptor, indexTypes } from "../image/manifest.ts";
import type { FileReference } from "../image/reference.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { openArchive } from "./archive.ts";
import { attachmentOf, signatureTag } from "./attachments.ts";
import { listNames, nameAnnotation } from "./layout.ts";
import type { SourceOptions } from "./options.ts";
import { openTarSink, pieceOf } from "./sink.ts";
import type { ImageSource, SourceImage } from "./source.ts";
import { verified } from "./verify.ts";

/** An image that goes into a bundle. */
export interface BundledImage {
  readonly name: string;
  readonly source: ImageSource;
  readonly image: SourceImage;
  readonly signatures: readonly ImageSignature[];
}

export interface BundleOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of each blob, and of its bytes as they pass. */
  readonly begin: (blob: Digest, size: number) => { advance(bytes: number): void; finish(): void };
}

interface Member {
  readonly size: number;
  write(): Promise<AsyncIterable<Uint8Array>>;
}

interface Row extends Pick<Descriptor, "digest" | "size" | "mediaType"> {
  readonly name: string;
}

/**
 * Writes an OCI image layout with these images, each under its name, and their signatures into a tar file, in place of what is
 * there. Members come in the order of their paths, without times and owners: the same images make the same bytes. When it fails
 * the file is as it was. Throws E_DIGEST, and what the sources throw.
 */
export async function writeBundle(
  path: string,
  images: readonly BundledImage[],
  options: BundleOptions,
): Promise<void> {
  const members = new Map<string, Member>();
  const rows: Row[] = [];
  for (const image of images) {
    addImage(members, rows, image, options);
    if (image.signatures.length > 0) addSignatures(members, rows, image);
  }
  const named = new Map(rows.map((row) => [row.name, row]));
  const manifests = [...named.values()]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ mediaType, digest, size, name }) => ({ mediaType, digest, size, annotations: { [nameAnnotation]: name } }));
  addBytes(members, "index.json", JSON.stringify({ schemaVersion: 2, mediaType: indexTypes[0], manifests }));
  addBytes(members, "oci-layout", '{"imageLayoutVersion":"1.0.0"}');
  const sink = await openTarSink(path);
  try {
    for (const [member, { size, write }] of [...members].sort(([one], [other]) => (one < other ? -1 : 1))) {
      await sink.put(member, size, await write());
    }
    options.signal?.throwIfAborted();
    await sink.commit();
  } finally {
    await sink.close();
  }
}

/** The names of the images in a bundle, in its order. Throws E_SOURCE for what is no archive of an image layout. */
export async function readBundleNames(reference: FileReference, options: SourceOptions): Promise<readonly string[]> {
  const files = await openArchive(reference.path, options);
  try {
    return await listNames(files, reference.path);
  } finally {
    await files.close();
  }
}

function addImage(
  members: Map<string, Member>,
  rows: Row[],
  { name, source, image }: BundledImage,
  options: BundleOptions,
): void {
  const { digest, manifest, manifestBytes, configBytes } = image;
  addBytes(members, pathOf(digest), manifestBytes);
  addBytes(members, pathOf(manifest.config.digest), configBytes);
  rows.push({ name, digest, size: manifestBytes.length, mediaType: manifest.mediaType });
  for (const layer of manifest.layers) {
    const write = async (): Promise<AsyncIterable<Uint8Array>> =>
      shown(verified(await source.openBlob(layer), layer, options.signal), options.begin(layer.digest, layer.size));
    members.set(pathOf(layer.digest), { size: layer.size, write });
  }
}

function addSignatures(members: Map<string, Member>, rows: Row[], { image, signatures }: BundledImage): void {
  const { manifest, blobs } = attachmentOf(signatures);
  const { digest, size, mediaType, bytes } = manifest;
  for (const blob of blobs) addBytes(members, pathOf(blob.digest), blob.bytes);
  addBytes(members, pathOf(digest), bytes);
  rows.push({ name: signatureTag(image.digest), digest, size, mediaType });
}

function addBytes(members: Map<string, Member>, path: string, content: Uint8Array | string): void {
  const bytes = Buffer.from(content);
  members.set(path, { size: bytes.length, write: async () => pieceOf(bytes) });
}

function pathOf(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

async function* shown(
  content: AsyncIterable<Uint8Array>,
  progress: ReturnType<BundleOptions["begin"]>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    progress.advance(piece.length);
    yield piece;
  }
  progress.finish();
}
