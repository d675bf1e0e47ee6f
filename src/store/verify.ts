import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, readFileSync, readlinkSync, readSync, type Stats } from "node:fs";
import { join } from "node:path";
import type { ObjectName } from "../layer/change.ts";
import type { Attributes } from "../layer/entry.ts";
import type { DirectoryNode, TreeNode } from "../layer/tree.ts";
import { namesIn } from "./directory.ts";
import { readImages } from "./images.ts";
import { libc } from "./libc.ts";
import { fileHash, symlinkObjectName } from "./object.ts";
import { objectsOf, readLayers, type StorePaths } from "./store.ts";

/** One thing that is not as it was written. `path` one character a byte. */
export interface Finding {
  readonly path: string;
  readonly problem: "missing" | "changed" | "foreign";
}

/** Names the content object that a file or symlink would be now; the same inode is read once. */
export type NameObject = (path: Buffer, stat: Stats) => ObjectName | undefined;

const pieceSize = 1024 * 1024;

export function openObjectNames(): NameObject {
  const names = new Map<number, ObjectName | undefined>();
  return (path, stat) => {
    if (!names.has(stat.ino)) names.set(stat.ino, objectNameOf(path, stat));
    return names.get(stat.ino);
  };
}

/** Every object of every image in the store that is lost, or is not what its name says. */
export function verifyObjects(paths: StorePaths, nameObject: NameObject): readonly Finding[] {
  const objects = new Set(
    readImages(paths.images).flatMap((image) => objectsOf(image, readLayers(paths, image) ?? [])),
  );
  const findings: Finding[] = [];
  for (const object of objects) {
    const path = join(paths.repository, "objects", object);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    const [name, kind] = object.replace("/", "").split(".");
    const actual =
      stat === undefined ? undefined : kind === "file" ? nameObject(Buffer.from(path), stat) : sha256(path);
    if (actual !== name) findings.push({ path, problem: stat === undefined ? "missing" : "changed" });
  }
  return findings;
}

/**
 * What of `tree` is not in `directory` as a checkout would write it: content, type, owner, mode and extended attributes of
 * every file. Entries of `mountPoints` (paths in the tree) that the tree lacks are the runtime's.
 */
export function verifyTree(
  tree: DirectoryNode,
  directory: string,
  mountPoints: ReadonlySet<string>,
  nameObject: NameObject,
): readonly Finding[] {
  const findings: Finding[] = [];
  const pending: { readonly node: DirectoryNode; readonly path: string }[] = [{ node: tree, path: "" }];
  const base = Buffer.from(directory).toString("latin1");
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node: parent, path: at } = next;
    for (const [name, node] of parent.children) {
      const path = at === "" ? name : `${at}/${name}`;
      const problem = problemOf(node, Buffer.from(`${base}/${path}`, "latin1"), nameObject);
      if (problem !== undefined) findings.push({ path: `${base}/${path}`, problem });
      else if (node.kind === "directory") pending.push({ node, path });
    }
    for (const name of namesIn(Buffer.from(`${base}/${at}`, "latin1"))) {
      const path = at === "" ? name : `${at}/${name}`;
      if (!parent.children.has(name) && !mountPoints.has(path))
        findings.push({ path: `${base}/${path}`, problem: "foreign" });
    }
  }
  return findings.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function problemOf(node: TreeNode, path: Buffer, nameObject: NameObject): Finding["problem"] | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return "missing";
  if (node.kind === "file" || node.kind === "symlink") {
    return nameObject(path, stat) === node.object ? undefined : "changed";
  }
  const { uid, gid, mode, xattrs } = node.attributes;
  const types = { directory: stat.isDirectory(), fifo: stat.isFIFO(), character: stat.isCharacterDevice() };
  const same = types[node.kind] && stat.uid === uid && stat.gid === gid && (stat.mode & 0o7777) === mode;
  return same && JSON.stringify(libc().listXattrs(path)) === JSON.stringify(xattrs) ? undefined : "changed";
}

function objectNameOf(path: Buffer, stat: Stats): ObjectName | undefined {
  const attributes: Attributes = { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777, mtime: 0, xattrs: [] };
  if (stat.isSymbolicLink()) return symlinkObjectName(attributes, readlinkSync(path, "buffer").toString("latin1"));
  if (!stat.isFile()) return undefined;
  const hash = fileHash({ ...attributes, xattrs: libc().listXattrs(path) });
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const piece = Buffer.allocUnsafe(Math.min(pieceSize, Math.max(stat.size, 1)));
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) hash.update(piece.subarray(0, read));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
