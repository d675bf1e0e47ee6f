import { createHash } from "node:crypto";
import { type FileHandle, stat } from "node:fs/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { hexOf } from "../image/digest.ts";
import { layerCompression, parseManifest } from "../image/manifest.ts";
import type { FileReference } from "../image/reference.ts";
import { openNameless } from "./archive.ts";
import type { BlobName, ImageDestination } from "./destination.ts";
import { putText } from "./file-destination.ts";
import { readRange } from "./file-set.ts";
import { gathered, inflate } from "./inflate.ts";
import { openTarSink } from "./sink.ts";

/**
 * One image as `docker save` writes it: layers uncompressed and called by their diff ids. Throws E_FILE_EXISTS where there is a
 * file already. A compressed layer passes through a nameless file in `cacheDirectory`: its size stands before it.
 */
export async function openDockerSaveDestination(
  reference: FileReference,
  cacheDirectory: string,
): Promise<ImageDestination> {
  const { path, tag } = reference;
  await refuseExisting(path);
  const sink = await openTarSink(path);
  const members = new Map<Digest, string>();
  const putMember = async (blob: BlobName, member: string, size: number, content: AsyncIterable<Uint8Array>) => {
    await sink.put(member, size, content);
    members.set(blob.digest, member);
  };
  return {
    takesIndex: false,
    hasBlob: async ({ digest }) => members.has(digest),
    mountBlob: async () => false,
    putBlob: async (blob, content) => {
      if (blob.mediaType.endsWith("json")) return putMember(blob, `${hexOf(blob.digest)}.json`, blob.size, content);
      const compression = layerCompression({ ...blob, annotations: {} });
      if (compression === "none") return putMember(blob, `${hexOf(blob.digest)}.tar`, blob.size, content);
      const file = await openNameless(cacheDirectory);
      try {
        const { hex, size } = await spool(inflate(gathered(content), compression), file);
        await putMember(blob, `${hex}.tar`, size, readRange(file, 0, size, path));
      } finally {
        await file.close();
      }
    },
    putManifest: async ({ bytes, mediaType }) => {
      const manifest = parseManifest(bytes, mediaType, path);
      if (manifest.kind === "index") throw new Error("a docker-archive takes no index");
      const memberOf = ({ digest }: BlobName): string | undefined => members.get(digest);
      const entry = {
        Config: memberOf(manifest.config),
        RepoTags: tag === undefined ? [] : [tag],
        Layers: manifest.layers.map(memberOf),
      };
      await putText(sink, "manifest.json", JSON.stringify([entry]));
    },
    commit: () => sink.commit(),
    close: () => sink.close(),
  };
}

/** Writes `content` to a file, and says what it is. */
export async function spool(
  content: AsyncIterable<Uint8Array>,
  file: FileHandle,
): Promise<{ readonly hex: string; readonly size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of content) {
    hash.update(piece);
    size += piece.length;
    await file.appendFile(piece);
  }
  return { hex: hash.digest("hex"), size };
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  throw new KeelsonError("E_FILE_EXISTS", `${printable(path)} exists, and a docker-archive is not added to`, {
    hint: "Remove the file, or name another.",
  });
}
