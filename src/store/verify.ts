import { closeSync, constants, lstatSync, openSync, readlinkSync, readSync, type Stats } from "node:fs";
import type { ObjectName } from "../layer/change.ts";
import type { Attributes } from "../layer/entry.ts";
import type { DirectoryNode, TreeNode } from "../layer/tree.ts";
import { namesIn } from "./directory.ts";
import { deviceNumber, libc } from "./libc.ts";
import { fileHash, symlinkObjectName } from "./object.ts";
import { ownerOf } from "./owner.ts";

/** One thing that is not as it was written. `path` one character a byte. */
export interface Finding {
  readonly path: string;
  readonly problem: "missing" | "changed" | "foreign";
}

/** An entry of a checkout that is not as the tree has it; without a node, one that the tree does not have. */
export interface TreeFinding extends Finding {
  readonly node?: TreeNode;
}

/** Whether what stands at a path is what a checkout would have made of the node. */
export type Compare = (node: TreeNode, path: Buffer, stat: Stats) => boolean;

/** Names the content object that a file or symlink would be now; undefined for anything else. */
export type NameObject = (path: Buffer, stat: Stats) => ObjectName | undefined;

const pieceSize = 1024 * 1024;

/** Reads each inode once, until it is changed. */
export function openObjectNames(): NameObject {
  const names = new Map<string, ObjectName | undefined>();
  return (path, stat) => {
    const key = `${stat.ino} ${stat.ctimeMs}`;
    if (!names.has(key)) names.set(key, objectNameOf(path, stat));
    return names.get(key);
  };
}

/** Content, type, owner, mode and extended attributes: every byte is read. */
export function compareContent(nameObject: NameObject): Compare {
  return (node, path, stat) => {
    if (node.kind === "file" || node.kind === "symlink") return nameObject(path, stat) === node.object;
    if (!sameMetadata(node, path, stat)) return false;
    return JSON.stringify(libc().listXattrs(path)) === JSON.stringify(node.attributes.xattrs);
  };
}

/** Type, owner, mode, size and device number: what one look at the inode tells, and so no proof. */
export function sameMetadata(node: TreeNode, _path: Buffer, stat: Stats): boolean {
  const { uid, gid, mode } = node.attributes;
  const owner = ownerOf(stat);
  if (owner.uid !== uid || owner.gid !== gid) return false;
  if (node.kind !== "symlink" && (stat.mode & 0o7777) !== mode) return false;
  switch (node.kind) {
    case "directory":
      return stat.isDirectory();
    case "file":
      return stat.isFile() && stat.size === node.size;
    case "symlink":
      return stat.isSymbolicLink() && stat.size === node.target.length;
    case "fifo":
      return stat.isFIFO();
    case "character":
      return stat.isCharacterDevice() && BigInt(stat.rdev) === deviceNumber(node.major, node.minor);
  }
}

/**
 * What of `tree` is not in `directory` as a checkout would write it, parents first. Entries of `mountPoints` (paths in the
 * tree) that the tree lacks are the runtime's.
 */
export function verifyTree(
  tree: DirectoryNode,
  directory: string,
  mountPoints: ReadonlySet<string>,
  compare: Compare,
): readonly TreeFinding[] {
  const findings: TreeFinding[] = [];
  const base = Buffer.from(directory).toString("latin1");
  const pending: { readonly node: DirectoryNode; readonly path: string }[] = [];
  const look = (node: TreeNode, path: string): void => {
    const place = path === "" ? base : `${base}/${path}`;
    const problem = problemOf(node, Buffer.from(place, "latin1"), compare);
    if (problem !== undefined) findings.push({ path: place, problem: problem.problem, node });
    if (node.kind === "directory" && problem?.enter !== false) pending.push({ node, path });
  };
  look(tree, "");
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node: parent, path: at } = next;
    const below = (name: string): string => (at === "" ? name : `${at}/${name}`);
    for (const [name, node] of parent.children) look(node, below(name));
    for (const name of namesIn(Buffer.from(`${base}/${at}`, "latin1"))) {
      if (!parent.children.has(name) && !mountPoints.has(below(name)))
        findings.push({ path: `${base}/${below(name)}`, problem: "foreign" });
    }
  }
  return findings.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** `enter`: whether there is a directory to be looked into all the same. */
function problemOf(
  node: TreeNode,
  path: Buffer,
  compare: Compare,
): { readonly problem: Finding["problem"]; readonly enter: boolean } | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return { problem: "missing", enter: false };
  return compare(node, path, stat) ? undefined : { problem: "changed", enter: stat.isDirectory() };
}

function objectNameOf(path: Buffer, stat: Stats): ObjectName | undefined {
  const attributes: Attributes = { ...ownerOf(stat), mode: stat.mode & 0o7777, mtime: 0, xattrs: [] };
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
