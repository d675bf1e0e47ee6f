import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type FileReference, formatReference } from "../image/reference.ts";
import { openDockerSave } from "./docker-save.ts";
import { type FileSet, readRange, unreadable } from "./file-set.ts";
import { detectCompression, gathered, inflate, isCompressionError } from "./inflate.ts";
import { openLayout } from "./layout.ts";
import type { SourceOptions } from "./options.ts";
import type { ImageSource } from "./source.ts";
import { indexTar } from "./tar-index.ts";

/** An archive that expands to more is refused, in bytes. */
const expandedLimit = 64 * 1024 ** 3;

/** An OCI image layout in a tar file, which may be compressed. */
export function openOciArchive(reference: FileReference, options: SourceOptions): ImageSource {
  return openLayout(reference, () => openArchive(reference.path, options), options.limits);
}

/** What `docker save` and `podman save` write, which may be compressed. */
export function openDockerArchive(reference: FileReference, options: SourceOptions): ImageSource {
  return openDockerSave({ name: formatReference(reference), tag: reference.tag, limits: options.limits }, () =>
    openArchive(reference.path, options),
  );
}

/**
 * The members of the tar file at `path`, read where they lie: nothing is extracted. A compressed archive is expanded once
 * into a nameless file in the cache directory. Throws E_SOURCE, E_LIMIT, E_NO_SPACE.
 */
export async function openArchive(path: string, options: SourceOptions): Promise<FileSet> {
  let handle = await openFile(path);
  try {
    const compression = detectCompression(await readStart(handle));
    if (compression !== "none") {
      const expanded = await expand(handle, path, compression, options);
      await handle.close();
      handle = expanded;
    }
    return await archiveFiles(handle, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The members of an uncompressed tar file, which is closed with them. Throws E_SOURCE. */
export async function archiveFiles(tar: FileHandle, name: string): Promise<FileSet> {
  const index = await indexTar(tar, (await tar.stat()).size, name);
  return {
    name,
    open: async (member) => {
      const span = index.find(member);
      if (span === undefined) return undefined;
      return { size: span.size, read: () => readRange(tar, span.position, span.size, name) };
    },
    close: () => tar.close(),
  };
}

async function openFile(path: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw unreadable(path, errno === "ENOENT" ? "there is no such file" : `it cannot be opened (${errno})`, error);
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw unreadable(path, "it is not a regular file");
}

async function readStart(handle: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.subarray(0, bytesRead);
}

async function expand(
  archive: FileHandle,
  path: string,
  compression: "gzip" | "zstd",
  options: SourceOptions,
): Promise<FileHandle> {
  const { size } = await archive.stat();
  const pieces = inflate(gathered(readRange(archive, 0, size, path)), compression);
  const file = await openNameless(options.cacheDirectory);
  let written = 0;
  try {
    for await (const piece of pieces) {
      options.signal?.throwIfAborted();
      written += piece.length;
      if (written > expandedLimit) throw tooLarge(path);
      await file.appendFile(piece);
    }
    return file;
  } catch (error) {
    await file.close();
    if (isCompressionError(error)) throw unreadable(path, `it is not sound ${compression} data`, error);
    if (errnoOf(error) === "ENOSPC" || errnoOf(error) === "EDQUOT") throw noSpace(path, options.cacheDirectory, error);
    throw error;
  }
}

/** A file without a name below `directory`: it is gone when it is closed. */
export async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `archive-${randomUUID()}`);
  const file = await open(path, "wx+", 0o600);
  await unlink(path);
  return file;
}

function tooLarge(path: string): KeelsonError {
  return new KeelsonError("E_LIMIT", `${path} expands to more than ${expandedLimit} bytes`, {
    hint: "Check that the file is an archive of an image; an uncompressed one has no such limit.",
  });
}

function noSpace(path: string, directory: string, cause: unknown): KeelsonError {
  return new KeelsonError("E_NO_SPACE", `${directory} has no room to expand ${path}`, {
    hint: "Free space there, or decompress the archive yourself and name the result.",
    cause,
  });
}
