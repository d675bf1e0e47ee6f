import { type Dirent, readdirSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import type { BytesPath } from "./durable.ts";

/** The names in a directory, one character a byte; none where there is no directory. */
export function namesIn(path: BytesPath): readonly string[] {
  return unlessMissing(() => readdirSync(path, "buffer").map((name) => name.toString("latin1")));
}

/** The entries of a directory with their types, by name; none where there is no directory. */
export function entriesIn(path: string): readonly Dirent[] {
  return unlessMissing(() => readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)));
}

function unlessMissing<T>(read: () => readonly T[]): readonly T[] {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}
