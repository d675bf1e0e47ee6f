import { KeelsonError } from "../errors.ts";
import type { LayerChange } from "./change.ts";
import { shownPath, splitPath } from "./path.ts";
import { type DirectoryNode, emptyDirectory, makePlace, nodeAt, type Place, placeOf, type TreeNode } from "./tree.ts";

/** What PATH_MAX of Linux leaves of a path where the directory of a deployment stands before it, in bytes. */
const depthLimit = 3840;

/**
 * Folds layers, lowest first, into one tree; each is asked for when those below it have been folded. Pure: the same lists give
 * the same tree. Throws E_LAYER, for paths too that no system call could take: symlinks can put directories below each other
 * without end.
 */
export function foldLayers(layers: Iterable<readonly LayerChange[]>): DirectoryNode {
  const root = emptyDirectory();
  for (const changes of layers) applyLayer(root, changes);
  checkDepth(root);
  return root;
}

function checkDepth(root: DirectoryNode): void {
  const pending: { readonly node: DirectoryNode; readonly path: string }[] = [{ node: root, path: "" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, node] of next.node.children) {
      if (next.path.length + name.length > depthLimit)
        throw refused(`${shownPath(next.path.slice(0, 64))}...`, `a path there is longer than ${depthLimit} bytes`);
      if (node.kind === "directory") pending.push({ node, path: `${next.path}${name}/` });
    }
  }
}

/**
 * Applies one layer to `root`, in place. Whiteouts and opaque markers act first and only on what lower layers put
 * there, wherever they stand in the archive; then each entry in order, the last of a name winning.
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 */
function applyLayer(root: DirectoryNode, changes: readonly LayerChange[]): void {
  const directories = new Set<string>();
  for (const change of changes) if (change.kind === "directory") directories.add(change.path);
  // All of them are found before the first acts: one may name a symlink that another removes.
  const removals = changes.flatMap((change) => removalOf(root, change, directories) ?? []);
  for (const remove of removals) remove();
  for (const change of changes) applyChange(root, change);
}

function applyChange(root: DirectoryNode, change: LayerChange): void {
  switch (change.kind) {
    case "whiteout":
    case "opaque":
      return;
    case "directory":
      return putDirectory(root, change);
    case "hardlink":
      return putNode(makePlace(root, change.path), hardLinkTarget(root, change));
    case "file": {
      const { attributes, object, size } = change;
      return putNode(makePlace(root, change.path), { kind: "file", attributes, object, size });
    }
    case "symlink": {
      const { attributes, object, target } = change;
      return putNode(makePlace(root, change.path), { kind: "symlink", attributes, object, target });
    }
    case "fifo":
      return putNode(makePlace(root, change.path), { kind: "fifo", attributes: change.attributes });
    case "character": {
      const { attributes, major, minor } = change;
      return putNode(makePlace(root, change.path), { kind: "character", attributes, major, minor });
    }
  }
}

/** A directory over a directory takes its attributes as a whole and keeps its children; over anything else it replaces it. */
function putDirectory(root: DirectoryNode, change: LayerChange & { kind: "directory" }): void {
  const place = makePlace(root, change.path);
  const there = place.name === "" ? place.parent : place.parent.children.get(place.name);
  if (there?.kind === "directory") there.attributes = change.attributes;
  else place.parent.children.set(place.name, emptyDirectory(change.attributes));
}

function putNode(place: Place, node: TreeNode): void {
  if (place.name === "") throw refused("the root of the tree", "it may only be a directory");
  place.parent.children.set(place.name, node);
}

function hardLinkTarget(root: DirectoryNode, change: LayerChange & { kind: "hardlink" }): TreeNode {
  const target = nodeAt(root, change.target);
  if (target === undefined)
    throw refused(
      shownPath(change.path),
      `it is a hard link to ${shownPath(change.target)}, which is not in the image`,
    );
  if (target.kind === "directory")
    throw refused(shownPath(change.path), `it is a hard link to the directory ${shownPath(change.target)}`);
  return target;
}

/** What a whiteout or an opaque marker does to the tree of the lower layers; undefined when it names nothing there. */
function removalOf(
  root: DirectoryNode,
  change: LayerChange,
  directories: ReadonlySet<string>,
): (() => void) | undefined {
  if (change.kind === "whiteout") {
    if (throughReplacedParent(root, splitPath(change.path).parent, directories)) return undefined;
    const place = placeOf(root, change.path);
    return place && (() => place.parent.children.delete(place.name));
  }
  if (change.kind !== "opaque" || throughReplacedParent(root, change.path, directories)) return undefined;
  const node = nodeAt(root, change.path, true);
  return node?.kind === "directory" ? () => node.children.clear() : undefined;
}

/**
 * True when a lower layer has a symlink where this layer puts a directory of its own: what that directory's whiteouts
 * name is below the new directory, not where the old link led.
 */
function throughReplacedParent(root: DirectoryNode, path: string, directories: ReadonlySet<string>): boolean {
  for (let prefix = path; prefix !== ""; prefix = splitPath(prefix).parent) {
    if (directories.has(prefix) && nodeAt(root, prefix)?.kind === "symlink") return true;
  }
  return false;
}

function refused(name: string, why: string): KeelsonError {
  return new KeelsonError("E_LAYER", `${name}: ${why}`, {
    hint: "The layer cannot be applied; build the image again.",
  });
}
