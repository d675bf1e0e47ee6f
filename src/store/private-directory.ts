import { chmodSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a directory that only root may enter, or closes the one that is there; those above it are for everybody. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if ((statSync(path).mode & 0o7777) !== 0o700) chmodSync(path, 0o700);
}
