import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { KeelsonError } from "../errors.ts";
import { type DirectoryNode, emptyDirectory, setChild, type TreeNode } from "../layer/tree.ts";
import type { HostRoot } from "./root.ts";

type FileNode = Extract<TreeNode, { kind: "file" }>;

/** A root filesystem that is already on the host. */
export interface HostTree {
  /** As the host names it, absolute. */
  readonly rootfs: string;
  /** What keelson reads of it: /exports and the user and group files. */
  readonly tree: DirectoryNode;
  readFile(file: FileNode): Buffer;
  /** Where the file is, as the host names it. */
  pathOf(file: FileNode): string;
}

/**
 * Looks at `directory` of the host: its `rootfs` if it has one, else itself if it is a root filesystem. Nothing in it is
 * followed out of it. Throws E_SOURCE.
 */
export function hostTree(root: HostRoot, directory: string): HostTree {
  const place = [`${directory}/rootfs`, directory].find((path) =>
    path.endsWith("/rootfs") ? isDirectory(root, path) : isDirectory(root, `${path}/usr`),
  );
  if (!directory.startsWith("/") || place === undefined) {
    throw new KeelsonError("E_SOURCE", `${directory} holds no root filesystem`, {
      hint: "Give the absolute path of a directory with a rootfs or a usr directory in it.",
    });
  }
  const real = realpathSync(root.path(place));
  const files = new Map<TreeNode, Buffer>();
  const locate = (file: FileNode): Buffer => {
    const path = files.get(file);
    if (path === undefined) throw new Error("a file of another tree");
    return path;
  };
  const tree = emptyDirectory();
  const etc = emptyDirectory();
  setChild(tree, "etc", etc);
  for (const name of ["passwd", "group"]) {
    const node = nodeOf(Buffer.from(`${real}/etc/${name}`), files);
    if (node !== undefined) setChild(etc, name, node);
  }
  const exports = nodeOf(Buffer.from(`${real}/exports`), files);
  if (exports !== undefined) setChild(tree, "exports", exports);
  return {
    rootfs: real.slice(root.prefix.length),
    tree,
    pathOf: (file) => locate(file).toString("latin1").slice(Buffer.byteLength(root.prefix)),
    readFile(file) {
      const path = locate(file);
      const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        return readFileSync(fd);
      } finally {
        closeSync(fd);
      }
    },
  };
}

function nodeOf(path: Buffer, files: Map<TreeNode, Buffer>): TreeNode | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const attributes = { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777, mtime: stat.mtimeMs / 1000, xattrs: [] };
  if (stat.isSymbolicLink()) {
    return { kind: "symlink", attributes, object: "", target: readlinkSync(path, "buffer").toString("latin1") };
  }
  if (stat.isFile()) {
    const node: FileNode = { kind: "file", attributes, object: "", size: stat.size };
    files.set(node, path);
    return node;
  }
  if (!stat.isDirectory()) return { kind: "fifo", attributes };
  const directory = emptyDirectory(attributes);
  for (const name of readdirSync(path, "buffer")) {
    const child = nodeOf(Buffer.concat([path, Buffer.from("/"), name]), files);
    if (child !== undefined) setChild(directory, name.toString("latin1"), child);
  }
  return directory;
}

function isDirectory(root: HostRoot, path: string): boolean {
  return lstatSync(root.path(path), { throwIfNoEntry: false })?.isDirectory() === true;
}
