import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type Digest, hexOf, parseDigest } from "../image/digest.ts";
import { isObject, parseJsonObject } from "../image/json.ts";
import { noLimits } from "../image/limits.ts";
import { parseManifest } from "../image/manifest.ts";
import { parseVerified, type Verified } from "../image/verified.ts";
import type { ObjectName } from "../layer/change.ts";
import { blobPath, damaged, documentFiles } from "./documents.ts";
import { type NewFile, writeAllDurably, writeDurably } from "./durable.ts";

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

const layoutFile = '{"imageLayoutVersion":"1.0.0"}\n';
const indexMode = 0o600;
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
    return parseIndex(bytes).sort(byName);
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

/** Keeps an image under its reference, see ImageEdit. Its layers and commit are in the store already. */
export function writeImage(
  directory: string,
  image: StoredImage,
  manifestBytes: Uint8Array,
  configBytes: Uint8Array,
): void {
  writeAllDurably(imageFiles(directory, manifestBytes, configBytes));
  writeIndex(directory, withImage(readImages(directory), image));
}

/** What has to be there before the list of images names one: its manifest and configuration, in an OCI image layout. */
export function imageFiles(directory: string, manifestBytes: Uint8Array, configBytes: Uint8Array): readonly NewFile[] {
  const layout = { path: join(directory, "oci-layout"), content: layoutFile, mode: 0o644 };
  return [layout, ...documentFiles(directory, manifestBytes, configBytes)];
}

/** Keeps an image whose files are there, without a name and as nobody's until it gets one, unless it is there under any. */
export function addImage(directory: string, { reference: _, ...image }: StoredImage): void {
  const before = readImages(directory);
  if (before.some(({ digest }) => digest === image.digest)) return;
  writeIndex(directory, [...before, { ...image, kept: false }]);
}

/** The list of images as it is, and as it is to be. */
export interface IndexEdit {
  readonly path: string;
  readonly mode: number;
  readonly from: string;
  readonly to: string;
}

/**
 * One change of the list of images. `name` gives an image that was added its reference: what had that name stays without one
 * while no other name has it; an image that gets a name again is no longer there without one. `verdict` notes what the policy
 * has to say of one that is in the store.
 */
export interface ImageEdit {
  readonly kind: "name" | "verdict";
  readonly image: StoredImage;
}

/** What makes these changes of the list, one after the other. */
export function planIndex(directory: string, edits: readonly ImageEdit[]): IndexEdit {
  const edit = (images: readonly StoredImage[], { kind, image }: ImageEdit): readonly StoredImage[] =>
    kind === "name" ? withImage(images, image) : withVerified(images, image);
  const path = indexPath(directory);
  const to = indexText(directory, edits.reduce(edit, readImages(directory)));
  return { path, mode: indexMode, from: readFileSync(path, "utf8"), to };
}

function withImage(before: readonly StoredImage[], image: StoredImage): readonly StoredImage[] {
  const unnamed = before.find((other) => other.reference === undefined && other.digest === image.digest);
  const others = before.filter((other) => !sameName(other, image) && other !== unnamed);
  const named = new Set([...others, image].map((other) => other.digest));
  const nameless = before.filter((other) => sameName(other, image) && !named.has(other.digest));
  const written = { ...image, kept: image.kept || unnamed?.kept === true };
  return [...others, written, ...nameless.map(({ reference: _, ...rest }) => rest)];
}

/** Keeps what the policy has to say now of an image that is in the store. */
export function recordVerified(directory: string, image: StoredImage): void {
  const { path, mode, from, to } = planIndex(directory, [{ kind: "verdict", image }]);
  if (from !== to) writeDurably(path, to, mode);
}

function withVerified(before: readonly StoredImage[], image: StoredImage): readonly StoredImage[] {
  const { verified } = image;
  if (verified === undefined) return before;
  const known = (other: StoredImage): boolean => sameName(other, image) && other.digest === image.digest;
  return before.map((other) => (known(other) ? { ...other, verified } : other));
}

/** Forgets these names. What only those images had stays until it is pruned. */
export function removeImages(directory: string, images: readonly StoredImage[]): void {
  const gone = (other: StoredImage): boolean => images.some((image) => sameName(other, image));
  writeIndex(
    directory,
    readImages(directory).filter((other) => !gone(other)),
  );
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

function writeIndex(directory: string, images: readonly StoredImage[]): void {
  writeDurably(indexPath(directory), indexText(directory, images), indexMode);
}

/** The same images give the same text, in whatever order. */
function indexText(directory: string, images: readonly StoredImage[]): string {
  const manifests = images.toSorted(byName).map((image) => {
    const bytes = readFileSync(blobPath(directory, image.digest));
    const notes = {
      ...(image.reference === undefined ? {} : { [annotations.reference]: image.reference }),
      [annotations.id]: image.id,
      [annotations.commit]: image.commit,
      [annotations.pulled]: image.pulled,
      [annotations.kept]: String(image.kept),
      ...(image.verified === undefined ? {} : { [annotations.verified]: JSON.stringify(image.verified) }),
    };
    const { mediaType } = parseManifest(bytes, undefined, image.digest, noLimits);
    return { mediaType, digest: image.digest, size: bytes.length, annotations: notes };
  });
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
  return `${JSON.stringify(index, undefined, 2)}\n`;
}

function byName(one: StoredImage, other: StoredImage): number {
  return (one.reference ?? one.digest) < (other.reference ?? other.digest) ? -1 : 1;
}
