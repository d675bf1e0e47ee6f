import { chmodSync, chownSync, copyFileSync, lchownSync, linkSync, mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { errnoOf, KeelsonError } from "../errors.ts";
import type { ObjectName } from "../layer/change.ts";
import type { Attributes } from "../layer/entry.ts";
import { type DirectoryNode, type LeafNode, sortedChildren, type TreeNode } from "../layer/tree.ts";
import { libc } from "./libc.ts";
import { keepsOwners } from "./owner.ts";
import type { Repository } from "./repository.ts";

/** A node whose content is an object of the repository. */
export type ObjectNode = Extract<LeafNode, { readonly object: ObjectName }>;

/**
 * Writes `tree`, a directory or any other node, at `path`, where nothing may be. Files and symlinks are hard links of the
 * repository's objects, so nothing may write to them; directories, fifos and devices are made. Not synced: the caller does
 * that once for all. Throws E_STORE for a lost object, E_CROSS_DEVICE, and errors of the file system.
 */
export function checkout(repository: Repository, tree: TreeNode, path: string): void {
  const made = new Map<LeafNode, Buffer>();

  function writeDirectory(directory: DirectoryNode, at: string): void {
    const bytes = Buffer.from(at, "latin1");
    mkdirSync(bytes, { mode: 0o700 });
    for (const [name, node] of sortedChildren(directory)) {
      if (node.kind === "directory") writeDirectory(node, `${at}/${name}`);
      else writeLeaf(node, Buffer.from(`${at}/${name}`, "latin1"));
    }
    setAttributes(bytes, directory.attributes);
  }

  function writeLeaf(node: LeafNode, at: Buffer): void {
    if (node.kind === "file" || node.kind === "symlink") return linkObject(node, at);
    const first = made.get(node);
    if (first !== undefined) return linkSync(first, at);
    made.set(node, at);
    if (node.kind === "fifo") libc().makeFifo(at, 0o600);
    else libc().makeCharacterDevice(at, 0o600, node.major, node.minor);
    setAttributes(at, node.attributes);
  }

  function linkObject(node: ObjectNode, at: Buffer): void {
    try {
      linkOrCopy(node, repository.pathOf(node.object, "file"), at);
    } catch (error) {
      if (errnoOf(error) === "EXDEV") throw crossDevice(path, error);
      if (errnoOf(error) === "ENOENT") repository.locate(node.object, "file");
      throw error;
    }
  }

  const at = Buffer.from(path, "utf8");
  if (tree.kind === "directory") writeDirectory(tree, at.toString("latin1"));
  else writeLeaf(tree, at);
}

/** Gives a file or directory that is there the attributes of a node, and no others. */
export function resetAttributes(path: Buffer, attributes: Attributes): void {
  for (const [name] of libc().listXattrs(path)) libc().removeXattr(path, name);
  setAttributes(path, attributes);
}

/** Makes `at` a link of the file or symlink at `source`, whose node this is; a copy where its inode takes no more links. */
export function linkOrCopy(node: ObjectNode, source: string | Buffer, at: Buffer): void {
  try {
    linkSync(source, at);
  } catch (error) {
    if (errnoOf(error) !== "EMLINK") throw error;
    copyObject(node, source, at);
  }
}

/** An inode takes only so many links; then a copy stands in for one. */
function copyObject(node: ObjectNode, source: string | Buffer, at: Buffer): void {
  if (node.kind === "file") {
    copyFileSync(source, at);
    return setAttributes(at, node.attributes);
  }
  symlinkSync(Buffer.from(node.target, "latin1"), at);
  if (keepsOwners) lchownSync(at, node.attributes.uid, node.attributes.gid);
  libc().setTime(at, node.attributes.mtime);
}

function setAttributes(path: Buffer, attributes: Attributes): void {
  const { uid, gid, mode, mtime, xattrs } = attributes;
  // To 0:0 too: a new file takes the group of the process, or of a set-group-id directory.
  if (keepsOwners) chownSync(path, uid, gid);
  chmodSync(path, mode);
  for (const [name, value] of xattrs) libc().setXattr(path, name, Buffer.from(value, "latin1"));
  if (mtime >= 0) utimesSync(path, mtime, mtime);
  else libc().setTime(path, mtime);
}

function crossDevice(path: string, cause: unknown): KeelsonError {
  return new KeelsonError("E_CROSS_DEVICE", `${path} is not on the store's file system`, {
    hint: "Keep /var/lib/keelson/repo and /var/lib/keelson/deployments on one file system: deployments are hard links.",
    cause,
  });
}
