import { createHash } from "node:crypto";
import { type FileHandle, stat } from "node:fs/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { hexOf } from "../image/digest.ts";
import { noLimits } from "../image/limits.ts";
import { type Compression, parseManifest } from "../image/manifest.ts";
import { openNameless } from "./archive.ts";
import type { BlobName, ImageDestination } from "./destination.ts";
import { putText } from "./file-destination.ts";
import { readRange } from "./file-set.ts";
import { detectCompression, gathered, inflate, isCompressionError } from "./inflate.ts";
import { type FileSink, openTarSink } from "./sink.ts";

/** What an image is saved as. */
export interface SaveOptions {
  /** How messages call the place. */
  readonly name: string;
  /** The name it gets in the archive. */
  readonly tag: string | undefined;
  readonly cacheDirectory: string;
}

/** A new file that an image is saved to. Throws E_FILE_EXISTS where there is one already. */
export async function openSavedFile(path: string): Promise<FileSink> {
  await refuseExisting(path);
  return openTarSink(path);
}

/**
 * One image as `docker save` writes it: layers uncompressed and called by their diff ids. A compressed layer passes through a
 * nameless file in `cacheDirectory`: its size stands before it.
 */
export function openDockerSaveDestination(sink: FileSink, options: SaveOptions): ImageDestination {
  const { name, tag, cacheDirectory } = options;
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
      const { compression, pieces } = await begun(content);
      if (compression === "none") return putMember(blob, `${hexOf(blob.digest)}.tar`, blob.size, pieces);
      const file = await openNameless(cacheDirectory);
      try {
        const { hex, size } = await spool(inflate(pieces, compression), file);
        await putMember(blob, `${hex}.tar`, size, readRange(file, 0, size, name));
      } catch (error) {
        if (!isCompressionError(error)) throw error;
        throw new KeelsonError("E_LAYER", `${blob.digest} is not sound ${compression} data`, {
          hint: "The image was damaged at its source or on the way; try again, then push or copy it there anew.",
          cause: error,
        });
      } finally {
        await file.close();
      }
    },
    putManifest: async ({ bytes, mediaType }) => {
      const manifest = parseManifest(bytes, mediaType, name, noLimits);
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

/** The same bytes, and how they are compressed: a type may lie about that. */
async function begun(
  content: AsyncIterable<Uint8Array>,
): Promise<{ readonly compression: Compression; readonly pieces: AsyncGenerator<Buffer> }> {
  const rest = gathered(content);
  const { value: first } = await rest.next();
  async function* pieces(): AsyncGenerator<Buffer> {
    if (first !== undefined) yield first;
    yield* rest;
  }
  return { compression: detectCompression(first ?? Buffer.alloc(0)), pieces: pieces() };
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
