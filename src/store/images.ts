import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { type ImageConfig, parseImageConfig } from "../image/config.ts";
import { type Digest, digestOf, hexOf, parseDigest } from "../image/digest.ts";
import { isObject, parseJsonObject } from "../image/json.ts";
import { type Manifest, parseManifest } from "../image/manifest.ts";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import { parseVerified, type Verified } from "../image/verified.ts";
import type { ObjectName } from "../layer/change.ts";
import { writeDurably } from "./durable.ts";

/** One image in the store under one name. */
export interface StoredImage {
  /** The text formatReference gives; absent when the name has moved on to another image. */
  readonly reference?: string;
  /** Of the manifest. */
  readonly digest: Digest;
  /** Of the configuration: the image id, the same whatever transport the image came by. */
  readonly id: Digest;
  /** The OSTree commit of its tree, also under the ref `keelson/image/HEX`. */
  readonly commit: ObjectName;
  /** RFC 3339. */
  readonly pulled: string;
  /** Pulled for its own sake, so that the last container to go does not take it along. */
  readonly kept: boolean;
  /** What the policy had to say of it; absent for an image that came before that was asked. */
  readonly verified?: Verified;
}

/** What of an image its content follows from, whatever it is called. */
export type ImageIdentity = Pick<StoredImage, "digest" | "id" | "commit">;

/** The manifest and configuration behind a stored image. */
export interface ImageDocuments {
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

const layoutFile = '{"imageLayoutVersion":"1.0.0"}\n';
const indexLimit = 64 * 1024 * 1024;
const annotations = {
  reference: "org.opencontainers.image.ref.name",
  id: "dev.keelson.image.id",
  commit: "dev.keelson.image.commit",
  pulled: "dev.keelson.image.pulled",
  kept: "dev.keelson.image.kept",
  verified: "dev.keelson.image.verified",
} as const;

/** Where the list of images is kept. */
export function indexPath(directory: string): string {
  return join(directory, "index.json");
}

/** All images below `directory`, an OCI image layout without layers, by reference. Empty when there is none. Throws E_STORE. */
export function readImages(directory: string): readonly StoredImage[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(indexPath(directory));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
  try {
    return parseIndex(bytes).sort((a, b) => ((a.reference ?? a.digest) < (b.reference ?? b.digest) ? -1 : 1));
  } catch (error) {
    if (error instanceof KeelsonError) throw damaged(indexPath(directory), error);
    throw error;
  }
}

function parseIndex(bytes: Uint8Array): StoredImage[] {
  const document = parseJsonObject(bytes, "index.json", indexLimit);
  if (!Array.isArray(document.manifests)) throw damaged("index.json");
  return document.manifests.map((row: unknown): StoredImage => {
    const notes: unknown = isObject(row) ? row.annotations : undefined;
    if (!isObject(row) || !isObject(notes)) throw damaged("index.json");
    const reference = notes[annotations.reference];
    const verified = parseVerified(notes[annotations.verified]);
    return {
      ...(typeof reference === "string" ? { reference } : {}),
      digest: parseDigest(row.digest),
      id: parseDigest(notes[annotations.id]),
      commit: String(notes[annotations.commit]),
      pulled: String(notes[annotations.pulled]),
      kept: notes[annotations.kept] === "true",
      ...(verified === undefined ? {} : { verified }),
    };
  });
}

/**
 * Keeps an image under its reference. What had that name stays without one while no other name has it; an image that
 * gets a name again is no longer there without one. Its layers and commit are in the store already.
 */
export function writeImage(
  directory: string,
  image: StoredImage,
  manifestBytes: Uint8Array,
  configBytes: Uint8Array,
): void {
  mkdirSync(directory, { recursive: true });
  writeDurably(join(directory, "oci-layout"), layoutFile, 0o644);
  writeDocuments(directory, manifestBytes, configBytes);
  const before = readImages(directory);
  const unnamed = before.find((other) => other.reference === undefined && other.digest === image.digest);
  const others = before.filter((other) => !sameName(other, image) && other !== unnamed);
  const named = new Set([...others, image].map((other) => other.digest));
  const nameless = before.filter((other) => sameName(other, image) && !named.has(other.digest));
  const written = { ...image, kept: image.kept || unnamed?.kept === true };
  writeIndex(directory, [...others, written, ...nameless.map(({ reference: _, ...rest }) => rest)]);
}

/** Keeps the manifest and configuration of an image, each under its digest, in place of what may be there. */
export function writeDocuments(directory: string, manifestBytes: Uint8Array, configBytes: Uint8Array): void {
  writeBlob(directory, configBytes);
  writeBlob(directory, manifestBytes);
}

/** Keeps what the policy has to say now of an image that is in the store. */
export function recordVerified(directory: string, image: StoredImage): void {
  const { verified } = image;
  if (verified === undefined) return;
  const known = (other: StoredImage): boolean => sameName(other, image) && other.digest === image.digest;
  writeIndex(
    directory,
    readImages(directory).map((other) => (known(other) ? { ...other, verified } : other)),
  );
}

/** Forgets these names. What only those images had stays until it is pruned. */
export function removeImages(directory: string, images: readonly StoredImage[]): void {
  const gone = (other: StoredImage): boolean => images.some((image) => sameName(other, image));
  writeIndex(
    directory,
    readImages(directory).filter((other) => !gone(other)),
  );
}

/**
 * Those of `all` that a person calls `text`: the one of that reference, or every name of the one whose id or digest begins
 * so, in four characters or more. Empty when there is none; throws E_NOT_FOUND when several images begin so.
 */
export function findImages(all: readonly StoredImage[], text: string): readonly StoredImage[] {
  const called = /[/:]/.test(text) && !text.startsWith("sha256:") ? formatReference(readReference(text)) : undefined;
  if (called !== undefined) return all.filter(({ reference }) => reference === called);
  const prefix = text.replace(/^sha256:/, "");
  if (prefix.length < 4) return [];
  const found = all.filter(({ id, digest }) => [id, digest].some((each) => each.startsWith(`sha256:${prefix}`)));
  if (new Set(found.map(({ digest }) => digest)).size <= 1) return found;
  throw new KeelsonError("E_NOT_FOUND", `more than one image begins with ${printable(text)}`, {
    hint: "Give more characters of the id or digest.",
  });
}

/** What a person calls an image; a path is made absolute, so that it means the same when the image is asked for again. */
export function readReference(text: string): Reference {
  const reference = parseReference(text);
  return reference.kind === "registry" ? reference : { ...reference, path: resolve(reference.path) };
}

/** Throws E_STORE or E_MANIFEST when they are not what their digests say. */
export function readDocuments(directory: string, image: Pick<StoredImage, "digest" | "id">): ImageDocuments {
  const manifest = parseManifest(readBlob(directory, image.digest), undefined, image.digest);
  if (manifest.kind !== "manifest") throw damaged(directory);
  const config = parseImageConfig(readBlob(directory, image.id), manifest.layers.length, image.id);
  return { manifest, config };
}

/** Where the refs of images are. */
export const imageRefs = "keelson/image";

/** The ref that keeps an image's commit. */
export function imageRef(digest: Digest): string {
  return `${imageRefs}/${hexOf(digest)}`;
}

/** Without a name, an image is the one of its digest. */
function sameName(one: StoredImage, other: StoredImage): boolean {
  return one.reference === other.reference && (one.reference !== undefined || one.digest === other.digest);
}

/** A manifest or configuration of an image in the store, whole; undefined when it is not there. */
export function readStoredDocument(directory: string, digest: Digest): Buffer | undefined {
  try {
    return readBlob(directory, digest);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return undefined;
    throw error;
  }
}

function readBlob(directory: string, digest: Digest): Buffer {
  const path = blobPath(directory, digest);
  try {
    const bytes = readFileSync(path);
    if (digestOf(bytes) === digest) return bytes;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  throw damaged(path);
}

function writeBlob(directory: string, bytes: Uint8Array): void {
  const path = blobPath(directory, digestOf(bytes));
  mkdirSync(dirname(path), { recursive: true });
  writeDurably(path, bytes, 0o644);
}

function writeIndex(directory: string, images: readonly StoredImage[]): void {
  const manifests = images.map((image) => {
    const bytes = readFileSync(blobPath(directory, image.digest));
    const notes = {
      ...(image.reference === undefined ? {} : { [annotations.reference]: image.reference }),
      [annotations.id]: image.id,
      [annotations.commit]: image.commit,
      [annotations.pulled]: image.pulled,
      [annotations.kept]: String(image.kept),
      ...(image.verified === undefined ? {} : { [annotations.verified]: JSON.stringify(image.verified) }),
    };
    const { mediaType } = parseManifest(bytes, undefined, image.digest);
    return { mediaType, digest: image.digest, size: bytes.length, annotations: notes };
  });
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
  writeDurably(indexPath(directory), `${JSON.stringify(index, undefined, 2)}\n`, 0o600);
}

/** Where a manifest or configuration is kept. */
export function blobPath(directory: string, digest: Digest): string {
  return join(directory, "blobs", "sha256", hexOf(digest));
}

function damaged(path: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_STORE", `${path} is damaged`, { hint: "keelson verify --repair brings it back.", cause });
}
