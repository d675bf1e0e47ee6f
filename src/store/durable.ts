import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../errors.ts";
import { libc } from "./libc.ts";
import { onFile } from "./name-file.ts";
import { removeFile } from "./remove.ts";
import { openWriteBack, type WriteBack } from "./write-back.ts";

/** A path as text, or as bytes where a name may not be UTF-8. */
export type BytesPath = string | Buffer;

const besideSuffix = ".keelson-new";

/**
 * Writes a whole file so that after a crash there is either the old one or the new one: beside it, synced, renamed,
 * the directory synced. `mode` counts whatever the umask is.
 */
export function writeDurably(path: BytesPath, content: string | Uint8Array, mode: number): void {
  besides(path, (beside) => {
    writeNew(beside, content, mode);
    renameSync(beside, path);
  });
}

/** A whole file, and where it is to be. */
export interface NewFile {
  readonly path: string;
  /** Another file that becomes this one, or bytes. */
  readonly content: { readonly file: string } | string | Uint8Array;
  readonly mode: number;
}

/**
 * Like writeDurably for several files of one file system, each of them whole or not there, but it waits for the medium only
 * once for all, and then once for each directory. Makes the directories. A file is asked for when the one before it is written.
 */
export function writeAllDurably(files: Iterable<NewFile>): void {
  const written: string[] = [];
  let syncing: WriteBack | undefined;
  try {
    for (const { path, content, mode } of files) {
      mkdirSync(dirname(path), { recursive: true });
      syncing ??= openWriteBack(dirname(path));
      const beside = besidePath(path);
      removeFile(beside);
      written.push(path);
      makeBeside(beside, content, mode);
    }
    syncing?.finish();
    for (const path of written) renameSync(besidePath(path), path);
  } catch (error) {
    for (const path of written) removeFile(besidePath(path));
    throw error;
  } finally {
    syncing?.close();
  }
  for (const directory of new Set(written.map((path) => dirname(path)))) syncDirectory(directory);
}

/** Like writeDurably for a file that must not be there: throws EEXIST, and what is there stays, when it is. */
export function createDurably(path: BytesPath, content: string | Uint8Array, mode: number): void {
  besides(path, (beside) => {
    writeNew(beside, content, mode);
    linkSync(beside, path);
    removeFile(beside);
  });
}

/** Makes a symlink, or replaces one, in one step. */
export function linkDurably(path: BytesPath, target: BytesPath): void {
  besides(path, (beside) => {
    symlinkSync(target, beside);
    renameSync(beside, path);
  });
}

/** Makes an empty file whose being there says something, durably; there is never a part of it. */
export function setMark(path: string): void {
  closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
  syncDirectory(dirname(path));
}

/** Where the new content stands until it is in its place; a crash may leave it there. */
export function besidePath(path: BytesPath): Buffer {
  const { directory, name } = parts(path);
  return Buffer.concat([directory, Buffer.from("/."), name, Buffer.from(besideSuffix)]);
}

/** Whether a name is one that besidePath gives. */
export function isBeside(name: string): boolean {
  return name.startsWith(".") && name.endsWith(besideSuffix);
}

/** Makes names added to, removed from or renamed in a directory survive a power cut. */
export function syncDirectory(path: BytesPath): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    onFile(path, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Writes everything of the file system that holds `path` to its medium. */
export function syncFileSystem(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    onFile(path, () => libc().syncFileSystem(fd));
  } finally {
    closeSync(fd);
  }
}

/** The directory of a path, as bytes. */
export function directoryOf(path: BytesPath): Buffer {
  return parts(path).directory;
}

/** Writes all of `bytes`, at `position` or where the file stands; write(2) may take less than it is given. */
export function writeFully(fd: number, bytes: Uint8Array, position?: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, bytes.length - at, position === undefined ? null : position + at);
  }
}

function besides(path: BytesPath, write: (beside: Buffer) => void): void {
  const beside = besidePath(path);
  removeFile(beside);
  try {
    write(beside);
  } catch (error) {
    removeFile(beside);
    throw error;
  }
  syncDirectory(directoryOf(path));
}

function makeBeside(beside: Buffer, content: NewFile["content"], mode: number): void {
  if (typeof content === "string" || content instanceof Uint8Array)
    return onNewFile(beside, mode, (fd) => writeFully(fd, bytesOf(content)));
  chmodSync(content.file, mode);
  try {
    renameSync(content.file, beside);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    copyFileSync(content.file, beside);
  }
}

/** Writes and syncs a file that must not exist yet. */
function writeNew(path: BytesPath, content: string | Uint8Array, mode: number): void {
  onNewFile(path, mode, (fd) => {
    writeFully(fd, bytesOf(content));
    fsyncSync(fd);
  });
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? Buffer.from(content) : content;
}

function onNewFile(path: BytesPath, mode: number, write: (fd: number) => void): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
  try {
    onFile(path, () => {
      fchmodSync(fd, mode);
      write(fd);
    });
  } finally {
    closeSync(fd);
  }
}

function parts(path: BytesPath): { readonly directory: Buffer; readonly name: Buffer } {
  const bytes = typeof path === "string" ? Buffer.from(path) : path;
  const slash = bytes.lastIndexOf("/");
  return { directory: bytes.subarray(0, Math.max(slash, 1)), name: bytes.subarray(slash + 1) };
}
