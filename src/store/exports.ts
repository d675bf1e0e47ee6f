import { createHash } from "node:crypto";
import { controlNames, type Exports, type HostfsEntry } from "../contract/exports.ts";
import { KeelsonError } from "../errors.ts";
import { shownPath } from "../layer/path.ts";
import { type DirectoryNode, nodeAt, type TreeNode, visitTree } from "../layer/tree.ts";

type FileNode = Extract<TreeNode, { kind: "file" }>;

/** The bytes of a file of the tree. */
export type ReadFile = (file: FileNode) => Buffer;

const templateLimit = 1024 * 1024;

/**
 * Reads what an image keeps in /exports. Looked up in the tree, never on the host, so a symlink leads inside the image or
 * nowhere. Throws E_CONTRACT for a control file that is not a regular file of UTF-8 text, E_LIMIT for one of more than `limit`
 * bytes.
 */
export function readExports(tree: DirectoryNode, readFile: ReadFile, limit = templateLimit): Exports {
  const controls = new Map<string, string>();
  for (const name of controlNames) {
    const node = nodeAt(tree, `exports/${name}`, true);
    if (node === undefined) continue;
    if (node.kind !== "file") throw unreadable(`/exports/${name}`, `it is a ${node.kind}`);
    controls.set(name, textOf(node, readFile, `/exports/${name}`, limit));
  }
  const hostfs = nodeAt(tree, "exports/hostfs");
  if (hostfs !== undefined && hostfs.kind !== "directory")
    throw unreadable("/exports/hostfs", `it is a ${hostfs.kind}`);
  return { controls, hostfs: hostfs === undefined ? [] : hostfsEntries(hostfs, readFile, limit) };
}

/** A file of the image as text, for what is looked up in it; "" when there is no such file. */
export function readTreeText(tree: DirectoryNode, path: string, readFile: ReadFile): string {
  const node = nodeAt(tree, path, true);
  return node?.kind === "file" && node.size <= templateLimit ? readFile(node).toString("utf8") : "";
}

function hostfsEntries(hostfs: DirectoryNode, readFile: ReadFile, limit: number): readonly HostfsEntry[] {
  const entries: HostfsEntry[] = [];
  visitTree(hostfs, (node, name) => entries.push(hostfsEntry(node, `/${name}`, readFile, limit)));
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function hostfsEntry(node: TreeNode, path: string, readFile: ReadFile, limit: number): HostfsEntry {
  const mode = node.attributes.mode;
  switch (node.kind) {
    case "directory":
      return { kind: "directory", path, mode };
    case "symlink":
      return { kind: "symlink", path, target: node.target };
    case "file": {
      const sha256 = createHash("sha256").update(readFile(node)).digest("hex");
      return {
        kind: "file",
        path,
        mode,
        size: node.size,
        sha256,
        text: () => textOf(node, readFile, `/exports/hostfs${path}`, limit),
      };
    }
    case "fifo":
      return { kind: "special", path, type: "fifo" };
    case "character":
      return { kind: "special", path, type: "character device" };
  }
}

function textOf(node: FileNode, readFile: ReadFile, name: string, limit: number): string {
  if (node.size > limit) throw tooLarge(name, limit);
  const bytes = readFile(node);
  if (bytes.includes(0)) throw unreadable(name, "it contains a NUL byte");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw unreadable(name, "it is not UTF-8 text", cause);
  }
}

function tooLarge(name: string, limit: number): KeelsonError {
  return new KeelsonError("E_LIMIT", `${shownPath(name)} of the image is larger than ${limit} bytes`, {
    hint: "Build the image again, or raise template_size in keelson.conf if it is meant to be so large.",
  });
}

function unreadable(name: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_CONTRACT", `${shownPath(name)} of the image: ${why}`, {
    hint: "Files in /exports are text files of the image itself; build the image again.",
    cause,
  });
}
