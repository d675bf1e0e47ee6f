import { statfsSync } from "node:fs";
import { KeelsonError } from "../errors.ts";

/**
 * Throws E_NO_SPACE when `bytes` are more than the file system of `path` has free but for `spare` percent of that. How much
 * the bytes grow when they are unpacked is not known before.
 */
export function refuseWithoutRoom(path: string, bytes: number, spare: number, what: string): void {
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  const room = Math.floor((free / 100) * (100 - spare));
  if (bytes <= room) return;
  throw new KeelsonError(
    "E_NO_SPACE",
    `${what} has ${bytes} bytes to fetch, and ${path} has ${free} bytes free, of which free_space leaves ${room}`,
    { hint: "Make room there, with keelson prune perhaps, or lower free_space in keelson.conf." },
  );
}
