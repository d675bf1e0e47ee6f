import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../errors.ts";

/** Removes a file or symlink; it may be gone already. */
export function removeFile(path: string | Buffer): void {
  unlessMissing(() => unlinkSync(path));
}

/**
 * Removes what is at `path` with everything in it; it may be gone already, and is not followed. Unlike rmSync it names the
 * error, whichever it is, and the file that it is about.
 */
export function removeTree(path: string | Buffer): void {
  const isDirectory = lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  removeEntry(Buffer.from(path), isDirectory);
}

function removeEntry(path: Buffer, isDirectory: boolean): void {
  if (!isDirectory) return removeFile(path);
  unlessMissing(() => {
    for (const entry of readdirSync(path, { withFileTypes: true, encoding: "buffer" }))
      removeEntry(Buffer.concat([path, slash, entry.name]), entry.isDirectory());
    rmdirSync(path);
  });
}

const slash = Buffer.from("/");

function unlessMissing(removal: () => void): void {
  try {
    removal();
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
