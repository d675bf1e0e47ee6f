import { lstatSync } from "node:fs";
import { namesIn } from "./directory.ts";

/**
 * The bytes a file system gets back when these paths are removed with all that is in them: its blocks, those of a file
 * only when its last link is among what goes, and then once. None for what is not there.
 */
export function bytesFreed(paths: readonly string[]): number {
  const links = new Map<number, number>();
  const pending = paths.map((path) => Buffer.from(path));
  let freed = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const gone = (links.get(stat.ino) ?? 0) + 1;
    links.set(stat.ino, gone);
    if (stat.isDirectory() || gone === stat.nlink) freed += stat.blocks * blockSize;
    if (!stat.isDirectory()) continue;
    for (const name of namesIn(path)) pending.push(Buffer.concat([path, Buffer.from(`/${name}`, "latin1")]));
  }
  return freed;
}

/** What st_blocks counts in, whatever the file system's own. */
const blockSize = 512;
