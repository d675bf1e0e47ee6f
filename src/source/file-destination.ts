import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { WrittenManifest } from "../image/convert.ts";
import { type Digest, hexOf, parseDigest } from "../image/digest.ts";
import { isObject, type JsonObject, parseJsonObject } from "../image/json.ts";
import { standardLimits } from "../image/limits.ts";
import { type Descriptor, indexTypes, parseAttachment } from "../image/manifest.ts";
import type { FileReference } from "../image/reference.ts";
import { formatSignatureFile } from "../trust/signature.ts";
import { attachmentOf, signatureTag } from "./attachments.ts";
import type { BlobName, ImageDestination } from "./destination.ts";
import { nameAnnotation } from "./layout.ts";
import { type FileSink, openDirectorySink, openTarSink, pieceOf } from "./sink.ts";

/** An OCI image layout: the image is added to what is there, in place of the one of its name. */
export async function openLayoutDestination(reference: FileReference): Promise<ImageDestination> {
  const before = reference.kind === "oci" ? await readIndex(reference.path) : [];
  const sink = reference.kind === "oci" ? openDirectorySink(reference.path) : await openTarSink(reference.path);
  const attached = new Map<string, WrittenManifest>();
  let top: WrittenManifest | undefined;
  const put = ({ digest, size, bytes }: Omit<WrittenManifest, "mediaType">): Promise<void> =>
    sink.put(blobPath(digest), size, pieceOf(bytes));
  return {
    ...blobsOf(sink, ({ digest }) => blobPath(digest)),
    takesIndex: true,
    putManifest: async (manifest, as) => {
      await put(manifest);
      if (as === "top") top = manifest;
    },
    putSignatures: async (digest, _as, signatures) => {
      const tag = signatureTag(digest);
      const row = before.find((other) => other.annotations?.[nameAnnotation] === tag);
      const { manifest, blobs } = attachmentOf(signatures, row && (await readAttached(reference.path, row)));
      for (const blob of [...blobs, manifest]) await put(blob);
      attached.set(tag, manifest);
      return signatures.length;
    },
    commit: async () => {
      if (top === undefined) throw new Error("a layout without its image");
      const { digest } = top;
      const named = (row: JsonObject): unknown => row.annotations?.[nameAnnotation];
      const others = before
        .filter((row) => !attached.has(String(named(row))))
        .filter((row) =>
          reference.tag === undefined
            ? row.digest !== digest || named(row) !== undefined
            : named(row) !== reference.tag,
        );
      const signed = [...attached].map(([tag, manifest]) => rowOf(manifest, tag));
      const manifests = [...others, rowOf(top, reference.tag), ...signed];
      await putText(sink, "oci-layout", '{"imageLayoutVersion":"1.0.0"}');
      await putText(sink, "index.json", JSON.stringify({ schemaVersion: 2, mediaType: indexTypes[0], manifests }));
      await sink.commit();
    },
  };
}

function rowOf({ mediaType, digest, size }: WrittenManifest, tag: string | undefined): object {
  return { mediaType, digest, size, ...(tag === undefined ? {} : { annotations: { [nameAnnotation]: tag } }) };
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** What a manifest of a layout, named by its row in the index, holds. */
async function readAttached(directory: string, { digest }: JsonObject): Promise<readonly Descriptor[]> {
  const path = join(directory, blobPath(parseDigest(digest)));
  return parseAttachment(await readFile(path), path).layers;
}

/**
 * A directory as skopeo writes it; what it held of another image before goes. Throws E_FILE_EXISTS for one that holds anything
 * else.
 */
export async function openDirectoryDestination(reference: FileReference): Promise<ImageDestination> {
  await refuseForeign(reference.path);
  const directory = openDirectorySink(reference.path);
  const kept = new Set(["version"]);
  const sink: FileSink = {
    ...directory,
    has: async (path, size) => (await directory.has(path, size)) && kept.add(path) !== undefined,
    put: (path, size, content) => directory.put(path, size, content).then(() => void kept.add(path)),
  };
  return {
    ...blobsOf(sink, ({ digest }) => hexOf(digest)),
    takesIndex: true,
    putManifest: async (manifest, as) => {
      const path = as === "top" ? "manifest.json" : `${hexOf(manifest.digest)}.manifest.json`;
      await sink.put(path, manifest.size, pieceOf(manifest.bytes));
    },
    putSignatures: async (digest, as, signatures) => {
      for (const [at, signature] of signatures.entries()) {
        const bytes = formatSignatureFile(signature);
        const prefix = as === "top" ? "" : `${hexOf(digest)}-`;
        await sink.put(`${prefix}signature-${at + 1}`, bytes.length, pieceOf(bytes));
      }
      return signatures.length;
    },
    commit: async () => {
      await putText(sink, "version", "Directory Transport Version: 1.1\n");
      await sink.commit();
      for (const name of await readdir(reference.path)) {
        if (ofImage.test(name) && !kept.has(name)) await rm(join(reference.path, name));
      }
    },
  };
}

/** What a dir: image has beside `version`. */
const ofImage = /^(?:manifest\.json|[0-9a-f]{64}(?:\.manifest\.json)?|(?:[0-9a-f]{64}-)?signature-[0-9]+)$/;

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
  const { manifests } = parseJsonObject(bytes, path, standardLimits.bytes);
  if (Array.isArray(manifests) && manifests.every(isObject)) return manifests;
  throw new KeelsonError("E_SOURCE", `${printable(path)} is not an index`, {
    hint: "Name another directory, or remove the file if nothing needs it.",
  });
}
