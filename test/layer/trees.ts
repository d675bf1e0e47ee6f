import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import type { Attributes } from "../../src/layer/entry.ts";
import { type TreeNode, visitTree } from "../../src/layer/tree.ts";

const plain: Attributes = { uid: 0, gid: 0, mode: 0o644, mtime: 0, xattrs: [] };

export const directory = (path: string, mode = 0o700): LayerChange => ({
  kind: "directory",
  path,
  attributes: { ...plain, mode },
});
export const file = (path: string, object = "1"): LayerChange => ({
  kind: "file",
  path,
  attributes: plain,
  object,
  size: 1,
});
export const symlink = (path: string, target: string): LayerChange => ({
  kind: "symlink",
  path,
  target,
  object: "symlink",
  attributes: plain,
});
export const hardlink = (path: string, target: string): LayerChange => ({ kind: "hardlink", path, target });
export const fifo = (path: string): LayerChange => ({ kind: "fifo", path, attributes: plain });
export const device = (path: string): LayerChange => ({
  kind: "character",
  path,
  attributes: plain,
  major: 1,
  minor: 3,
});
export const whiteout = (path: string): LayerChange => ({ kind: "whiteout", path });
export const opaque = (path: string): LayerChange => ({ kind: "opaque", path });

/**
 * The tree of some layers, a line a name: `d/ 700` for a directory, `f 1` for a file with its object, `l -> t`, `p |`,
 * `n 1:3`; a name that is a hard link of one further up says `= THAT`.
 */
export function treeOf(...layers: readonly (readonly LayerChange[])[]): readonly string[] {
  const seen = new Map<TreeNode, string>();
  const rows: string[] = [];
  visitTree(foldLayers(layers), (node, path) => {
    const first = seen.get(node);
    rows.push(first === undefined ? `${path}${shown(node)}` : `${path} = ${first}`);
    if (first === undefined) seen.set(node, path);
  });
  return rows.sort();
}

function shown(node: TreeNode): string {
  switch (node.kind) {
    case "directory":
      return `/ ${node.attributes.mode.toString(8)}`;
    case "file":
      return ` ${node.object}`;
    case "symlink":
      return ` -> ${node.target}`;
    case "fifo":
      return " |";
    case "character":
      return ` ${node.major}:${node.minor}`;
  }
}
