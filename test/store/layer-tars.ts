import fc from "fast-check";
import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import type { Attributes } from "../../src/layer/entry.ts";
import { type DirectoryNode, makePlace, nodeAt, visitTree } from "../../src/layer/tree.ts";
import { gnuLong, paxHeader, tarArchive, tarEntry } from "../bed/tar-writer.ts";

/** One entry of a random layer; `path` and `target` as the archive writes them. */
export interface LayerEntry {
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "fifo" | "character" | "whiteout" | "opaque";
  readonly path: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content: string;
  readonly xattr: string;
}

const part = fc.constantFrom("a", "b", "c", "caf\xc3\xa9");
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const symlinkTarget = fc.tuple(fc.constantFrom("", "/", "../", "../../../"), path).map((pair) => pair.join(""));

const entry: fc.Arbitrary<LayerEntry> = fc
  .record({
    kind: fc.constantFrom<LayerEntry["kind"]>(
      ...(["file", "file", "file", "directory", "directory", "directory", "symlink", "hardlink"] as const),
      ...(["fifo", "character", "whiteout", "whiteout", "opaque"] as const),
    ),
    path,
    linked: path,
    symlinked: symlinkTarget,
    mode: fc.constantFrom(0o644, 0o755, 0o700, 0o4755, 0o2711, 0o1777, 0),
    uid: fc.constantFrom(0, 0, 1000, 65_534, 4_294_967_294),
    gid: fc.constantFrom(0, 0, 7, 70_000),
    content: fc.constantFrom("", "one", "two", "x".repeat(700)),
    xattr: fc.constantFrom("", "", "", "a note"),
  })
  .map(({ linked, symlinked, ...rest }) => ({
    ...rest,
    mode: rest.kind === "directory" ? rest.mode & ~0o2000 : rest.mode,
    target: rest.kind === "symlink" ? symlinked : linked,
  }));

/** Layers, lowest first, of entries that no two tools read differently: see fold.test.ts for what is left out. */
export const someLayers: fc.Arbitrary<readonly (readonly LayerEntry[])[]> = fc
  .array(fc.array(entry, { minLength: 4, maxLength: 14 }), { minLength: 2, maxLength: 4 })
  .map((layers) => {
    const kept: LayerEntry[][] = [];
    for (const layer of layers) {
      const last: LayerEntry[] = [];
      kept.push(last);
      for (const one of layer) if (agreed(kept, last, one)) last.push(one);
    }
    return kept;
  });

/** The bytes of a layer's tar. */
export function layerTar(entries: readonly LayerEntry[]): Buffer {
  return tarArchive(...entries.flatMap(entryBlocks));
}

function entryBlocks(one: LayerEntry, index: number): readonly Buffer[] {
  const { kind, mode, uid, gid, xattr } = one;
  const [name, target] = [nameOf(one), one.target];
  const types = { file: "0", hardlink: "1", symlink: "2", character: "3", directory: "5", fifo: "6" } as const;
  const type = kind === "whiteout" || kind === "opaque" ? "0" : types[kind];
  const linkTarget = kind === "symlink" || kind === "hardlink" ? target : "";
  const records: (readonly [string, string])[] = [
    ["uid", String(uid)],
    ["gid", String(gid)],
  ];
  if (xattr !== "" && (kind === "file" || kind === "directory")) records.push(["SCHILY.xattr.user.note", xattr]);
  // Names take turns: as they are, as `./NAME`, in a PAX record, in a GNU long name.
  const written = index % 4 === 1 ? `./${name}` : name;
  if (index % 4 === 2) records.push(["path", name]);
  return [
    ...(index % 4 === 3 ? [gnuLong("L", name)] : []),
    paxHeader(records),
    tarEntry(
      { name: written, type, mode, linkTarget, deviceMajor: kind === "character" ? 1 : 0, deviceMinor: 3, mtime: 1e9 },
      kind === "file" ? one.content : "",
    ),
  ];
}

function nameOf({ kind, path: full }: LayerEntry): string {
  const slash = full.lastIndexOf("/") + 1;
  if (kind === "whiteout") return `${full.slice(0, slash)}.wh.${full.slice(slash)}`;
  return kind === "opaque" ? `${full}/.wh..wh..opq` : full;
}

/** Whether the tools agree on `one` behind the entries of `layer`, which is the last of `layers`. */
function agreed(layers: readonly (readonly LayerEntry[])[], layer: readonly LayerEntry[], one: LayerEntry): boolean {
  try {
    const root = foldLayers(layers.map((entries) => entries.map(changeOf)));
    const lower = foldLayers(layers.slice(0, -1).map((entries) => entries.map(changeOf)));
    return parentsAgreed(root, one.path) && agreedIn(root, lower, layer, one);
  } catch {
    return false;
  }
}

function agreedIn(root: DirectoryNode, lower: DirectoryNode, layer: readonly LayerEntry[], one: LayerEntry): boolean {
  if (one.kind === "whiteout" || one.kind === "opaque") {
    if (layer.some((other) => other.kind === "hardlink") || (layer.length > 0 && hasSymlink(root))) return false;
    const below = layer.some((other) => other.path.startsWith(`${one.path}/`));
    if (one.kind === "opaque") return parentsAgreed(lower, `${one.path}/in it`);
    return !below && parentsAgreed(lower, one.path);
  }
  if (layer.some((other) => other.path === one.path)) return false;
  if (one.kind !== "hardlink") return true;
  const target = nodeAt(root, one.target);
  const outside = !one.target.startsWith(`${one.path}/`);
  return outside && target !== undefined && target.kind !== "directory" && nodeAt(root, one.path) !== target;
}

/** False when a file would have to give way to a directory; makes the parents of `full`. */
function parentsAgreed(root: DirectoryNode, full: string): boolean {
  const before = leafCount(root);
  makePlace(root, full);
  return leafCount(root) === before;
}

function hasSymlink(root: DirectoryNode): boolean {
  let found = false;
  visitTree(root, (node) => {
    found ||= node.kind === "symlink";
  });
  return found;
}

function leafCount(root: DirectoryNode): number {
  let count = 0;
  visitTree(root, (node) => {
    if (node.kind !== "directory") count++;
  });
  return count;
}

function changeOf(one: LayerEntry): LayerChange {
  const attributes: Attributes = { uid: 0, gid: 0, mode: 0o755, mtime: 0, xattrs: [] };
  const { kind, path: full, target } = one;
  switch (kind) {
    case "file":
      return { kind, path: full, attributes, object: one.content, size: 0 };
    case "symlink":
      return { kind, path: full, attributes, object: target, target };
    case "hardlink":
      return { kind, path: full, target };
    case "character":
      return { kind, path: full, attributes, major: 1, minor: 3 };
    case "directory":
    case "fifo":
      return { kind, path: full, attributes };
    case "whiteout":
    case "opaque":
      return { kind, path: full };
  }
}
