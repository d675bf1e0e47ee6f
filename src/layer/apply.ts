import { KeelsonError } from "../errors.ts";
import type { LayerChange } from "./change.ts";
import type { Attributes } from "./entry.ts";
import { shownPath, splitPath } from "./path.ts";
import {
  type DirectoryNode,
  emptyDirectory,
  makePlace,
  nodeAt,
  type Place,
  placeOf,
  removeChild,
  removeChildren,
  setChild,
  type TreeNode,
} from "./tree.ts";

/** What PATH_MAX of Linux leaves of a path where the directory of a deployment stands before it, in bytes. */
const depthLimit = 3840;

/** What a layer does, in archive order, as often as it is asked for. */
export interface Layer extends Iterable<LayerChange> {
  /** false where it is known to remove nothing. */
  readonly removes?: boolean;
}

/**
 * Folds layers, lowest first, into one tree; each is asked for when those below it have been folded. Pure: the same lists give
 * the same tree. Throws E_LAYER, for paths too that no system call could take: symlinks can put directories below each other
 * without end. Throws E_LIMIT where the paths of a layer name more than `impliedLimit` directories that nothing else speaks of:
 * few entries can do that, and each directory takes its place in memory.
 */
export function foldLayers(layers: Iterable<Layer>, impliedLimit = Number.POSITIVE_INFINITY): DirectoryNode {
  const root = emptyDirectory();
  const shared = openShared();
  for (const layer of layers) {
    let implied = 0;
    const imply = (): void => {
      if (++implied > impliedLimit) throw tooManyImplied(impliedLimit);
    };
    if (layer.removes !== false) applyRemovals(root, layer);
    for (const change of layer) applyChange(root, change, { shared, imply });
  }
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

/** What is common to the changes of a layer. */
interface Folding {
  readonly shared: Shared;
  /** Counts a directory that only a path names. */
  imply(): void;
}

/** Equal attributes as one object: most entries of an image share a few owners, modes and times. */
type Shared = (attributes: Attributes) => Attributes;

const sharedLimit = 1000;

function openShared(): Shared {
  const plain = new Map<string, Attributes>();
  return (attributes) => {
    const { uid, gid, mode, mtime, xattrs } = attributes;
    if (xattrs.length > 0) return attributes;
    const key = `${uid} ${gid} ${mode} ${mtime}`;
    const known = plain.get(key);
    if (known !== undefined) return known;
    if (plain.size === sharedLimit) plain.clear();
    plain.set(key, attributes);
    return attributes;
  };
}

/**
 * What a layer removes from `root`, in place. Whiteouts and opaque markers act before anything else of their layer and only on
 * what lower layers put there, wherever they stand in the archive; then comes each entry in order, the last of a name winning.
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 */
function applyRemovals(root: DirectoryNode, layer: Layer): void {
  const removing: LayerChange[] = [];
  for (const change of layer) if (change.kind === "whiteout" || change.kind === "opaque") removing.push(change);
  if (removing.length === 0) return;
  const directories = new Set<string>();
  for (const change of layer) if (change.kind === "directory") directories.add(change.path);
  // All of them are found before the first acts: one may name a symlink that another removes.
  const removals = removing.flatMap((change) => removalOf(root, change, directories) ?? []);
  for (const remove of removals) remove();
}

function applyChange(root: DirectoryNode, change: LayerChange, { shared, imply }: Folding): void {
  switch (change.kind) {
    case "whiteout":
    case "opaque":
      return;
    case "directory":
      return putDirectory(makePlace(root, change.path, imply), shared(change.attributes));
    case "hardlink":
      return putNode(makePlace(root, change.path, imply), hardLinkTarget(root, change));
    case "file": {
      const { object, size } = change;
      const attributes = shared(change.attributes);
      return putNode(makePlace(root, change.path, imply), { kind: "file", attributes, object, size });
    }
    case "symlink": {
      const { object, target } = change;
      const attributes = shared(change.attributes);
      return putNode(makePlace(root, change.path, imply), { kind: "symlink", attributes, object, target });
    }
    case "fifo":
      return putNode(makePlace(root, change.path, imply), { kind: "fifo", attributes: shared(change.attributes) });
    case "character": {
      const { major, minor } = change;
      const attributes = shared(change.attributes);
      return putNode(makePlace(root, change.path, imply), { kind: "character", attributes, major, minor });
    }
  }
}

/** A directory over a directory takes its attributes as a whole and keeps its children; over anything else it replaces it. */
function putDirectory(place: Place, attributes: Attributes): void {
  const there = place.name === "" ? place.parent : place.parent.children.get(place.name);
  if (there?.kind === "directory") there.attributes = attributes;
  else setChild(place.parent, place.name, emptyDirectory(attributes));
}

function putNode(place: Place, node: TreeNode): void {
  if (place.name === "") throw refused("the root of the tree", "it may only be a directory");
  setChild(place.parent, place.name, node);
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
    return place && (() => removeChild(place.parent, place.name));
  }
  if (change.kind !== "opaque" || throughReplacedParent(root, change.path, directories)) return undefined;
  const node = nodeAt(root, change.path, true);
  return node?.kind === "directory" ? () => removeChildren(node) : undefined;
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

function tooManyImplied(limit: number): KeelsonError {
  return new KeelsonError("E_LIMIT", `the paths of a layer name more than ${limit} directories that have no entry`, {
    hint: "Raise layer_entries in keelson.conf, of which they may be a tenth, if the image is meant to be so.",
  });
}
