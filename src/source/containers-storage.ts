import { join } from "node:path";
import { parseImageConfig } from "../image/config.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import type { StorageReference } from "../image/engine-reference.ts";
import { type Descriptor, parseManifest } from "../image/manifest.ts";
import { formatReference } from "../image/reference.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { openDirectory } from "./directory.ts";
import { unreadable } from "./file-set.ts";
import { detectCompression, gathered, inflate, isCompressionError } from "./inflate.ts";
import { parsedSignature } from "./lookaside.ts";
import { limitsOf, type SourceOptions } from "./options.ts";
import { type Documents, imageOf } from "./resolution.ts";
import { openScoped } from "./scoped-files.ts";
import type { ImageSource, TopDocument } from "./source.ts";
import { findStorage } from "./storage-conf.ts";
import { openStorage, type Storage, type StoredLayer } from "./storage-files.ts";
import { joinTar } from "./tar-split.ts";
import { checkBytes, mismatch } from "./verify.ts";

/** An image with what is needed to read it. */
interface Found {
  readonly storage: Storage;
  readonly top: TopDocument;
}

/**
 * An image in a store of podman, buildah or CRI-O, which is only read. Layers are held unpacked there: their tars are put
 * together from the files and what tar-split kept of the rest. No lock is taken: what is written meanwhile is written
 * beside and renamed, and what is removed is missed.
 */
export function openContainersStorage(reference: StorageReference, options: SourceOptions): ImageSource {
  const name = formatReference(reference);
  let found: Promise<Found> | undefined;
  let layers: Promise<ReadonlyMap<Digest, StoredLayer>> | undefined;
  const find = (): Promise<Found> => {
    found ??= findImage(reference, name, options);
    return found;
  };
  const read = async (descriptor: Descriptor, key: string): Promise<Uint8Array> => {
    const bytes = await (await find()).storage.readData(key);
    if (bytes === undefined) throw unreadable(name, `it lacks the document ${descriptor.digest}`);
    checkBytes(bytes, descriptor, name);
    return bytes;
  };
  const documents: Documents = {
    name,
    limits: limitsOf(options),
    readManifest: (descriptor) => read(descriptor, `manifest-${descriptor.digest}`),
    readConfig: (descriptor) => read(descriptor, descriptor.digest),
  };
  const layerOf = async (diffId: Digest): Promise<StoredLayer> => {
    layers ??= find().then((image) => layersOf(image, documents));
    const layer = (await layers).get(diffId);
    if (layer === undefined) throw unreadable(name, `it has no layer of the diff id ${diffId}`);
    return layer;
  };
  return {
    resolve: async (platform) => imageOf((await find()).top, documents, platform),
    readTop: async () => (await find()).top,
    readManifest: documents.readManifest,
    held: async (diffId) => {
      const layer = await layerOf(diffId);
      const size = layer.size >= 0 ? layer.size : await sizeOf(openTar(layer, name));
      return { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size, annotations: {} };
    },
    openBlob: async (blob) => {
      const document = await (await find()).storage.readData(blob.digest);
      return document === undefined ? openTar(await layerOf(blob.digest), name) : only(document);
    },
    signatures: async (digest) => signaturesOf((await find()).storage, digest, name),
    close: async () => undefined,
  };
}

async function findImage(reference: StorageReference, name: string, options: SourceOptions): Promise<Found> {
  const storage = await openStorage(await findStorage(reference, options.hostFiles), reference, {
    name,
    limits: limitsOf(options),
  });
  const digest = reference.name?.digest;
  const bytes = (digest && (await storage.readData(`manifest-${digest}`))) ?? (await storage.readData("manifest"));
  if (bytes === undefined) throw unreadable(name, "it has no manifest");
  const wanted = digest ?? storage.digest;
  const actual = digestOf(bytes);
  if (wanted !== undefined && actual !== wanted)
    throw mismatch(name, `its manifest has the digest ${actual}, not ${wanted}`);
  return { storage, top: { bytes, mediaType: undefined } };
}

/** The layers by their diff ids. The store's own record names them by position: it may not know the diff id of each. */
async function layersOf({ storage, top }: Found, documents: Documents): Promise<ReadonlyMap<Digest, StoredLayer>> {
  const { name } = documents;
  const own = (await storage.readData("manifest")) ?? top.bytes;
  const manifest = parseManifest(own, undefined, name, documents.limits);
  if (manifest.kind === "index") throw unreadable(name, "the image in it is an index");
  const { diffIds } = parseImageConfig(
    await documents.readConfig(manifest.config),
    manifest.layers.length,
    name,
    documents.limits,
  );
  const chain = await storage.layers();
  if (chain.length !== diffIds.length) {
    throw unreadable(name, `${chain.length} layers are there, and its configuration names ${diffIds.length}`);
  }
  return new Map(diffIds.map((diffId, at) => [diffId, chain[at] as StoredLayer]));
}

async function* openTar(layer: StoredLayer, name: string): AsyncGenerator<Uint8Array> {
  const files = openDirectory(layer.directory);
  const path = `${layer.id}.tar-split.gz`;
  const label = `${name}, layer ${layer.id.slice(0, 12)}`;
  const split = await files.open(path);
  if (split === undefined) throw unreadable(label, `it has no ${join(layer.directory, path)}`);
  try {
    const pieces = gathered(split.read());
    const first = await pieces.next();
    const start: Buffer = first.done ? Buffer.alloc(0) : first.value;
    const compression = detectCompression(start);
    const whole = (async function* () {
      yield start;
      yield* pieces;
    })();
    yield* joinTar(compression === "none" ? whole : inflate(whole, compression), openScoped(layer.files, label), label);
  } catch (error) {
    throw isCompressionError(error) ? unreadable(label, "its tar-split is not sound", error) : error;
  } finally {
    await files.close();
  }
}

/** Signatures lie in one file for each manifest, one behind the other; their sizes are in the image's metadata. */
async function signaturesOf(storage: Storage, digest: Digest, name: string): Promise<readonly ImageSignature[]> {
  const sizes = storage.signatureSizes(digest);
  if (sizes.length === 0) return [];
  const bytes = (await storage.readData(`signature-${digest.slice("sha256:".length)}`)) ?? Buffer.alloc(0);
  let at = 0;
  const found = sizes.map((size, index) => {
    const one = bytes.subarray(at, at + size);
    at += size;
    return parsedSignature(one, `${name}, signature ${index + 1}`);
  });
  return found.filter((signature) => signature !== undefined);
}

async function sizeOf(tar: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const piece of tar) size += piece.length;
  return size;
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
