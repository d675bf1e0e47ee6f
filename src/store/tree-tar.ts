import { createReadStream, lstatSync, readlinkSync, type Stats } from "node:fs";
import { KeelsonError } from "../errors.ts";
import type { LayerChange } from "../layer/change.ts";
import { shownPath } from "../layer/path.ts";
import { formatEntry, tarEnd, tarPadding } from "../layer/tar-format.ts";
import { namesIn } from "./directory.ts";
import { libc } from "./libc.ts";

/**
 * A tar of the tree that stands below `root`, in the order of the names: the same tree always gives the same bytes. Sockets,
 * pipes and devices are left out, and a file with several names is packed under each. Throws E_LAYER for a name that is a
 * whiteout in a layer, and for a file that changes meanwhile.
 */
export async function* readTreeTar(root: string): AsyncGenerator<Buffer> {
  yield* readNode(Buffer.from(root), "");
  yield tarEnd;
}

async function* readNode(place: Buffer, path: string): AsyncGenerator<Buffer> {
  const stat = lstatSync(place);
  const change = changeOf(place, path, stat);
  if (change === undefined) return;
  yield formatEntry(change);
  if (change.kind === "file") yield* readContent(place, stat.size);
  if (change.kind !== "directory") return;
  for (const name of namesIn(place).toSorted()) {
    const below = path === "" ? name : `${path}/${name}`;
    if (name.startsWith(".wh.")) throw unpackable(below, "has a name that removes another file in a layer");
    yield* readNode(Buffer.concat([place, Buffer.from(`/${name}`, "latin1")]), below);
  }
}

function changeOf(place: Buffer, path: string, stat: Stats): LayerChange | undefined {
  const { uid, gid, size } = stat;
  const mtime = Math.floor(stat.mtimeMs / 1000);
  const attributes = { uid, gid, mode: stat.mode & 0o7777, mtime, xattrs: libc().listXattrs(place) };
  if (stat.isDirectory()) return { kind: "directory", path, attributes };
  // What they are named by in the store is not known yet, and is in no tar.
  if (stat.isFile()) return { kind: "file", path, attributes, object: "", size };
  if (!stat.isSymbolicLink()) return undefined;
  return { kind: "symlink", path, attributes, object: "", target: readlinkSync(place, "buffer").toString("latin1") };
}

async function* readContent(place: Buffer, size: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const piece of createReadStream(place, { highWaterMark: 1024 * 1024 })) {
    read += piece.length;
    if (read <= size) yield piece;
  }
  if (read !== size) throw unpackable(place.toString("latin1"), "changes while it is read");
  yield tarPadding(size);
}

function unpackable(path: string, why: string): KeelsonError {
  return new KeelsonError("E_LAYER", `${shownPath(path)} ${why}`, { hint: "Look who put it there, and move it away." });
}
