import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type ImageConfig, parseImageConfig } from "../image/config.ts";
import { type Digest, digestOf, hexOf } from "../image/digest.ts";
import { noLimits } from "../image/limits.ts";
import { type Manifest, parseManifest } from "../image/manifest.ts";
import { type NewFile, writeAllDurably } from "./durable.ts";

/** The manifest and configuration behind a stored image. */
export interface ImageDocuments {
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/** Keeps the manifest and configuration of an image, each under its digest, in place of what may be there. */
export function writeDocuments(directory: string, manifestBytes: Uint8Array, configBytes: Uint8Array): void {
  writeAllDurably(documentFiles(directory, manifestBytes, configBytes));
}

/** The files that keep them. */
export function documentFiles(
  directory: string,
  manifestBytes: Uint8Array,
  configBytes: Uint8Array,
): readonly NewFile[] {
  return [configBytes, manifestBytes].map((content) => ({
    path: blobPath(directory, digestOf(content)),
    content,
    mode: 0o644,
  }));
}

/** Throws E_STORE or E_MANIFEST when they are not what their digests say. */
export function readDocuments(
  directory: string,
  image: { readonly digest: Digest; readonly id: Digest },
): ImageDocuments {
  const manifest = parseManifest(readBlob(directory, image.digest), undefined, image.digest, noLimits);
  if (manifest.kind !== "manifest") throw damaged(directory);
  const config = parseImageConfig(readBlob(directory, image.id), manifest.layers.length, image.id, noLimits);
  return { manifest, config };
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

/** Where a manifest or configuration is kept. */
export function blobPath(directory: string, digest: Digest): string {
  return join(directory, "blobs", "sha256", hexOf(digest));
}

/** Something of the store that is not as it was written. */
export function damaged(path: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_STORE", `${path} is damaged`, { hint: "keelson verify --repair brings it back.", cause });
}
