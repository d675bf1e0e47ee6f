import { KeelsonError } from "../errors.ts";
import type { Attributes, TarEntry } from "./entry.ts";
import { shownPath, splitPath, treePath } from "./path.ts";
import { keptAttributes } from "./xattr.ts";

/** The name of a content object: 64 hex characters. See store/object.ts. */
export type ObjectName = string;

/**
 * One thing a layer does to the tree below it. A layer is the list of them in archive order. `path` is from treePath;
 * for a whiteout it is the path removed, for an opaque the directory emptied.
 */
export type LayerChange =
  | { readonly kind: "directory"; readonly path: string; readonly attributes: Attributes }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly attributes: Attributes;
      readonly object: ObjectName;
      readonly size: number;
    }
  | {
      readonly kind: "symlink";
      readonly path: string;
      readonly attributes: Attributes;
      readonly object: ObjectName;
      readonly target: string;
    }
  | { readonly kind: "hardlink"; readonly path: string; readonly target: string }
  | { readonly kind: "fifo"; readonly path: string; readonly attributes: Attributes }
  | {
      readonly kind: "character";
      readonly path: string;
      readonly attributes: Attributes;
      readonly major: number;
      readonly minor: number;
    }
  | { readonly kind: "whiteout"; readonly path: string }
  | { readonly kind: "opaque"; readonly path: string };

/** A change whose content object does not exist yet: what an entry asks for before its bytes have been read. */
export type PlannedChange =
  | Exclude<LayerChange, { kind: "file" } | { kind: "symlink" }>
  | { readonly kind: "file"; readonly path: string; readonly attributes: Attributes; readonly size: number }
  | { readonly kind: "symlink"; readonly path: string; readonly attributes: Attributes; readonly target: string };

/**
 * What a tar entry asks for, by the rules of https://github.com/opencontainers/image-spec/blob/main/layer.md;
 * undefined for the leftovers of aufs, which mean nothing. Throws E_LAYER for names and types no layer may hold.
 */
export function planChange(entry: TarEntry): PlannedChange | undefined {
  const path = treePath(entry.path);
  const { parent, name } = splitPath(path);
  if (parent.split("/").some((component) => component.startsWith(".wh."))) {
    if (/(?:^|\/)\.wh\.\.wh\./.test(parent)) return undefined;
    throw refused(path, "a whiteout is used as a directory");
  }
  if (name.startsWith(".wh.")) return planWhiteout(path, parent, name);
  if (path === "" && entry.kind !== "directory") throw refused(path, "the root of the tree may only be a directory");
  const attributes = keptAttributes(entry.kind, entry.attributes, path);
  switch (entry.kind) {
    case "file":
      return { kind: "file", path, attributes, size: entry.size };
    case "directory":
      return { kind: "directory", path, attributes };
    case "symlink":
      return planSymlink(path, attributes, entry.linkTarget);
    case "hardlink":
      return { kind: "hardlink", path, target: treePath(entry.linkTarget) };
    case "fifo":
      return { kind: "fifo", path, attributes };
    case "character":
      return planCharacter(path, attributes, entry);
    case "block":
      throw refused(path, "it is a block device");
  }
}

function planWhiteout(path: string, parent: string, name: string): PlannedChange | undefined {
  if (name === ".wh..wh..opq") return { kind: "opaque", path: parent };
  if (name.startsWith(".wh..wh.")) return undefined;
  const removed = name.slice(".wh.".length);
  if (removed === "" || removed === "." || removed === "..")
    throw refused(path, "a whiteout names nothing that can be removed");
  return { kind: "whiteout", path: parent === "" ? removed : `${parent}/${removed}` };
}

function planSymlink(path: string, attributes: Attributes, target: string): PlannedChange {
  if (target === "" || target.length > 4095 || target.includes("\0"))
    throw refused(path, "the target of the symlink is not a path");
  return { kind: "symlink", path, target, attributes: { ...attributes, mode: 0o777, xattrs: [] } };
}

function planCharacter(path: string, attributes: Attributes, entry: TarEntry): PlannedChange | undefined {
  const { deviceMajor: major, deviceMinor: minor } = entry;
  // 0:0 is a whiteout to an overlay file system; it is not a device.
  if (major === 0 && minor === 0) throw refused(path, "it is a character device 0:0");
  if (major < 0 || minor < 0 || major > 0xfff || minor > 0xfffff)
    throw refused(path, "its device number is out of range");
  return { kind: "character", path, attributes, major, minor };
}

function refused(path: string, why: string): KeelsonError {
  return new KeelsonError("E_LAYER", `the layer's ${shownPath(path) || "root"}: ${why}`, {
    hint: "Do not install this image; tell its publisher.",
  });
}
