import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { WrittenManifest } from "../image/convert.ts";
import { hexOf } from "../image/digest.ts";
import { isObject, type JsonObject, parseJsonObject } from "../image/json.ts";
import { indexTypes, manifestLimit } from "../image/manifest.ts";
import type { FileReference } from "../image/reference.ts";
import type { BlobName, ImageDestination } from "./destination.ts";
import { nameAnnotation } from "./layout.ts";
import { type FileSink, openDirectorySink, openTarSink, pieceOf } from "./sink.ts";

/** An OCI image layout: the image is added to what is there, in place of the one of its name. */
export async function openLayoutDestination(reference: FileReference): Promise<ImageDestination> {
  const before = reference.kind === "oci" ? await readIndex(reference.path) : [];
  const sink = reference.kind === "oci" ? openDirectorySink(reference.path) : await openTarSink(reference.path);
  let top: WrittenManifest | undefined;
  return {
    ...blobsOf(sink, ({ digest }) => `blobs/sha256/${hexOf(digest)}`),
    takesIndex: true,
    putManifest: async (manifest, as) => {
      await sink.put(`blobs/sha256/${hexOf(manifest.digest)}`, manifest.size, pieceOf(manifest.bytes));
      if (as === "top") top = manifest;
    },
    commit: async () => {
      if (top === undefined) throw new Error("a layout without its image");
      const { mediaType, digest, size } = top;
      const annotations = reference.tag === undefined ? {} : { annotations: { [nameAnnotation]: reference.tag } };
      const named = (row: JsonObject): unknown => row.annotations?.[nameAnnotation];
      const others = before.filter((row) =>
        reference.tag === undefined ? row.digest !== digest || named(row) !== undefined : named(row) !== reference.tag,
      );
      const manifests = [...others, { mediaType, digest, size, ...annotations }];
      await putText(sink, "oci-layout", '{"imageLayoutVersion":"1.0.0"}');
      await putText(sink, "index.json", JSON.stringify({ schemaVersion: 2, mediaType: indexTypes[0], manifests }));
      await sink.commit();
    },
  };
}

/** A directory as skopeo writes it. Throws E_FILE_EXISTS for one that holds anything else. */
export async function openDirectoryDestination(reference: FileReference): Promise<ImageDestination> {
  await refuseForeign(reference.path);
  const sink = openDirectorySink(reference.path);
  return {
    ...blobsOf(sink, ({ digest }) => hexOf(digest)),
    takesIndex: true,
    putManifest: async (manifest, as) => {
      const path = as === "top" ? "manifest.json" : `${hexOf(manifest.digest)}.manifest.json`;
      await sink.put(path, manifest.size, pieceOf(manifest.bytes));
    },
    commit: async () => {
      await putText(sink, "version", "Directory Transport Version: 1.1\n");
      await sink.commit();
    },
  };
}

/** The parts that are the same wherever files hold an image. */
function blobsOf(
  sink: FileSink,
  pathOf: (blob: BlobName) => string,
): Pick<ImageDestination, "hasBlob" | "mountBlob" | "putBlob" | "close"> {
  return {
    hasBlob: (blob) => sink.has(pathOf(blob), blob.size),
    mountBlob: async () => false,
    putBlob: (blob, content) => sink.put(pathOf(blob), blob.size, content),
    close: () => sink.close(),
  };
}

export async function putText(sink: FileSink, path: string, text: string): Promise<void> {
  await sink.put(path, Buffer.byteLength(text), pieceOf(text));
}

async function refuseForeign(path: string): Promise<void> {
  const names: readonly string[] = await readdir(path).catch((error): string[] => {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  });
  if (names.length === 0 || names.includes("version")) return;
  throw new KeelsonError("E_FILE_EXISTS", `${printable(path)} holds other files than an image`, {
    hint: "Name an empty directory, or one that is to be made.",
  });
}

async function readIndex(directory: string): Promise<readonly JsonObject[]> {
  const path = join(directory, "index.json");
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
  const { manifests } = parseJsonObject(bytes, path, manifestLimit);
  if (Array.isArray(manifests) && manifests.every(isObject)) return manifests;
  throw new KeelsonError("E_SOURCE", `${printable(path)} is not an index`, {
    hint: "Name another directory, or remove the file if nothing needs it.",
  });
}
