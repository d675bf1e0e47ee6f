import type { FileHandle } from "node:fs/promises";
import { KeelsonError, printable } from "../errors.ts";

const pieceSize = 1024 * 1024;

/** Named regular files that nobody writes: a directory, or the members of an archive. */
export interface FileSet {
  /** How messages call it. */
  readonly name: string;
  /** The file at `path` (parts joined by `/`), undefined when there is none. Throws E_SOURCE for what is not a file. */
  open(path: string): Promise<StoredFile | undefined>;
  /** Closes every file that is still open. */
  close(): Promise<void>;
}

/** An open file; size in bytes. `read` serves once and closes the file at its end. */
export interface StoredFile {
  readonly size: number;
  read(): AsyncIterable<Buffer>;
}

/** All bytes of `path`. Throws E_SOURCE when it is absent, E_LIMIT when it is longer than `limit`. */
export async function readWhole(files: FileSet, path: string, limit: number): Promise<Buffer> {
  const bytes = await readIfThere(files, path, limit);
  if (bytes === undefined) throw unreadable(files.name, `it has no ${path}`);
  return bytes;
}

/** Like readWhole, but undefined when there is no such file. */
export async function readIfThere(files: FileSet, path: string, limit: number): Promise<Buffer | undefined> {
  const file = await files.open(path);
  if (file === undefined) return undefined;
  if (file.size > limit) throw tooLarge(files.name, path, limit);
  const pieces: Buffer[] = [];
  for await (const piece of file.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** `size` bytes of `handle` from `position` on, in new buffers of up to 1 MiB. Throws E_SOURCE if there are fewer. */
export async function* readRange(
  handle: FileHandle,
  position: number,
  size: number,
  name: string,
): AsyncGenerator<Buffer> {
  for (let done = 0; done < size; ) {
    const piece = Buffer.allocUnsafe(Math.min(pieceSize, size - done));
    const { bytesRead } = await handle.read(piece, 0, piece.length, position + done);
    if (bytesRead === 0) throw unreadable(name, "it became shorter while it was read");
    done += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

function tooLarge(name: string, path: string, limit: number): KeelsonError {
  return new KeelsonError("E_LIMIT", `${printable(name)}: ${printable(path)} is larger than ${limit} bytes`, {
    hint: "Documents of images are small; check that the path is that of an image.",
  });
}

/** E_SOURCE for the files called `name`. */
export function unreadable(name: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_SOURCE", `${printable(name)}: ${printable(why)}`, {
    hint: "Check the path and what follows it, and that the file or directory was written completely.",
    cause,
  });
}
