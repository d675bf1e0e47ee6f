import { KeelsonError } from "../errors.ts";
import type { ObjectName } from "./change.ts";
import type { Attributes } from "./entry.ts";
import { nameLimit, shownPath } from "./path.ts";

/** A file tree in memory. Two names that hold one node are hard links of each other. */
export type TreeNode = DirectoryNode | LeafNode;
export type LeafNode =
  | { readonly kind: "file"; readonly attributes: Attributes; readonly object: ObjectName; readonly size: number }
  | { readonly kind: "symlink"; readonly attributes: Attributes; readonly object: ObjectName; readonly target: string }
  | { readonly kind: "fifo"; readonly attributes: Attributes }
  | { readonly kind: "character"; readonly attributes: Attributes; readonly major: number; readonly minor: number };

export interface DirectoryNode {
  readonly kind: "directory";
  attributes: Attributes;
  /** By name. Written by setChild and its like alone: directories without children share one map. */
  children: ReadonlyMap<string, TreeNode>;
}

const noChildren: ReadonlyMap<string, TreeNode> = new Map();

const linkLimit = 40;

/** A directory without children; by default what a directory gets that no entry describes. */
export function emptyDirectory(
  attributes: Attributes = { uid: 0, gid: 0, mode: 0o755, mtime: 0, xattrs: [] },
): DirectoryNode {
  return { kind: "directory", attributes, children: noChildren };
}

/**
 * The node at `path`, symlinks in it followed inside the root as chroot(2) would, the last one only when `followLast`
 * says so; undefined where there is none. Throws E_LAYER for a loop of symlinks.
 */
export function nodeAt(root: DirectoryNode, path: string, followLast = false): TreeNode | undefined {
  const place = walk(root, path, followLast, undefined);
  return place === undefined ? undefined : place.name === "" ? place.parent : place.parent.children.get(place.name);
}

/** A directory and a name in it: where a node is, or would be put. The name "" is the directory itself. */
export interface Place {
  readonly parent: DirectoryNode;
  readonly name: string;
}

/** Where `path` leads, parents resolved inside the root; undefined when a parent is missing or not a directory. */
export function placeOf(root: DirectoryNode, path: string): Place | undefined {
  return walk(root, path, false, undefined);
}

/**
 * Like placeOf, but makes the parents that are missing and replaces those that are not directories; `made` is called for each.
 * Throws E_LAYER where a symlink leads to a name that no entry may have.
 */
export function makePlace(root: DirectoryNode, path: string, made?: () => void): Place {
  const place = walk(root, path, false, (parent, name) => {
    if (name.length > nameLimit || name.startsWith(".wh.")) throw unnamable(path, name);
    made?.();
    const directory = emptyDirectory();
    setChild(parent, name, directory);
    return directory;
  });
  if (place === undefined) throw new Error(`no place for ${path}`);
  return place;
}

/** A part of a string of fewer characters is a string of its own for V8. */
const leastPart = 13;

/** Puts a node into a directory, in place of what may have its name. */
export function setChild(directory: DirectoryNode, name: string, node: TreeNode): void {
  // The name is a part of its path, which would stay in memory with it.
  const own = name.length < leastPart ? name : Buffer.from(name, "latin1").toString("latin1");
  if (directory.children === noChildren) directory.children = new Map();
  (directory.children as Map<string, TreeNode>).set(own, node);
}

export function removeChild(directory: DirectoryNode, name: string): void {
  (directory.children as Map<string, TreeNode>).delete(name);
}

export function removeChildren(directory: DirectoryNode): void {
  directory.children = noChildren;
}

/** Calls `visit` for every node below `root`, parents first, names in byte order. `path` has no leading slash. */
export function visitTree(root: DirectoryNode, visit: (node: TreeNode, path: string, name: string) => void): void {
  const pending: { node: DirectoryNode; path: string }[] = [{ node: root, path: "" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const directories: { node: DirectoryNode; path: string }[] = [];
    for (const [name, node] of sortedChildren(next.node)) {
      const path = next.path === "" ? name : `${next.path}/${name}`;
      visit(node, path, name);
      if (node.kind === "directory") directories.push({ node, path });
    }
    pending.push(...directories.reverse());
  }
}

/** In byte order of name. */
export function* sortedChildren({ children }: DirectoryNode): Generator<readonly [string, TreeNode]> {
  for (const name of [...children.keys()].sort()) {
    const node = children.get(name);
    if (node !== undefined) yield [name, node];
  }
}

type MakeDirectory = (parent: DirectoryNode, name: string) => DirectoryNode;

function walk(
  root: DirectoryNode,
  path: string,
  followLast: boolean,
  make: MakeDirectory | undefined,
): Place | undefined {
  const ancestors: DirectoryNode[] = [root];
  let rest = components(path).reverse();
  let links = 0;
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    const parent = ancestors.at(-1) ?? root;
    if (name === "..") {
      if (ancestors.length > 1) ancestors.pop();
      continue;
    }
    const child = parent.children.get(name);
    const last = rest.length === 0;
    if (child?.kind === "symlink" && (!last || followLast)) {
      if (++links > linkLimit) throw loop(path);
      if (child.target.startsWith("/")) ancestors.length = 1;
      rest = [...rest, ...components(child.target).reverse()];
      continue;
    }
    if (last) return child?.kind === "directory" && name === "" ? { parent: child, name: "" } : { parent, name };
    const next = child?.kind === "directory" ? child : make?.(parent, name);
    if (next === undefined) return undefined;
    ancestors.push(next);
  }
  return { parent: ancestors.at(-1) ?? root, name: "" };
}

function components(path: string): string[] {
  return path.split("/").filter((component) => component !== "" && component !== ".");
}

function unnamable(path: string, name: string): KeelsonError {
  const shown = shownPath(name.slice(0, 64));
  return new KeelsonError(
    "E_LAYER",
    `${shownPath(path)} leads through a symlink to ${shown}, which no layer can make`,
    {
      hint: "The image's symlinks name what no file system or no layer may hold; tell its publisher.",
    },
  );
}

function loop(path: string): KeelsonError {
  return new KeelsonError("E_LAYER", `${shownPath(path)} leads through more than ${linkLimit} symlinks`, {
    hint: "The image's symlinks run in a circle; tell its publisher.",
  });
}
