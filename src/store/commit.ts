import { isUtf8 } from "node:buffer";
import type { ObjectName } from "../layer/change.ts";
import type { Attributes } from "../layer/entry.ts";
import { type DirectoryNode, sortedChildren } from "../layer/tree.ts";
import {
  commitBytes,
  type DirtreeDirectory,
  type DirtreeEntry,
  dirmetaBytes,
  dirtreeBytes,
  metadataName,
  type ObjectKind,
} from "./object.ts";

type WriteObject = (name: ObjectName, kind: ObjectKind, bytes: Buffer) => void;

/**
 * Hands every dirtree, dirmeta and the commit of `tree` to `write`, children first; the commit's name. What OSTree has
 * no object for (fifos, devices, names that are not UTF-8) is not part of the commit; the change lists keep it.
 */
export function writeTreeObjects(
  tree: DirectoryNode,
  subject: string,
  timestamp: number,
  write: WriteObject,
): ObjectName {
  const root = writeDirectory(tree, openDirmetas(write), write);
  return writeBytes("commit", commitBytes(subject, timestamp, root.dirtree, root.dirmeta), write);
}

function writeDirectory(
  directory: DirectoryNode,
  dirmetaOf: (attributes: Attributes) => ObjectName,
  write: WriteObject,
): Omit<DirtreeDirectory, "name"> {
  const files: DirtreeEntry[] = [];
  const directories: DirtreeDirectory[] = [];
  for (const [name, node] of sortedChildren(directory)) {
    if (!isUtf8(Buffer.from(name, "latin1"))) continue;
    if (node.kind === "directory") directories.push({ name, ...writeDirectory(node, dirmetaOf, write) });
    else if (node.kind === "file" || node.kind === "symlink") files.push({ name, object: node.object });
  }
  return {
    dirtree: writeBytes("dirtree", dirtreeBytes(files, directories), write),
    dirmeta: dirmetaOf(directory.attributes),
  };
}

/** Writes a directory's attributes, which it often shares with many others, once. */
function openDirmetas(write: WriteObject): (attributes: Attributes) => ObjectName {
  const plain = new Map<string, ObjectName>();
  return (attributes) => {
    const { uid, gid, mode, xattrs } = attributes;
    const key = `${uid} ${gid} ${mode}`;
    const known = xattrs.length === 0 ? plain.get(key) : undefined;
    if (known !== undefined) return known;
    const name = writeBytes("dirmeta", dirmetaBytes(attributes), write);
    if (xattrs.length === 0) plain.set(key, name);
    return name;
  };
}

function writeBytes(kind: ObjectKind, bytes: Buffer, write: WriteObject): ObjectName {
  const name = metadataName(bytes);
  write(name, kind, bytes);
  return name;
}
