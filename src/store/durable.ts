import { closeSync, constants, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Writes a whole file so that after a crash there is either the old one or the new one: beside it, synced, renamed,
 * the directory synced. `mode` counts whatever the umask is.
 */
export function writeDurably(path: string, content: string | Uint8Array, mode: number): void {
  const beside = besidePath(path);
  rmSync(beside, { force: true });
  try {
    writeNew(beside, content, mode);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/** Where writeDurably keeps the new content until the rename; a crash may leave it there. */
export function besidePath(path: string): string {
  return join(dirname(path), `.${basename(path)}.keelson-new`);
}

/** Writes and syncs a file that must not exist yet. */
export function writeNew(path: string, content: string | Uint8Array, mode: number): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, mode);
  try {
    writeFully(fd, typeof content === "string" ? Buffer.from(content) : content);
    fchmodSync(fd, mode);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes all of `bytes`; write(2) may take less than it is given. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Makes names added to, removed from or renamed in a directory survive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
