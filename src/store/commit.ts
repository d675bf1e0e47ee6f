import { isUtf8 } from "node:buffer";
import type { ObjectName } from "../layer/change.ts";
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
  const root = writeDirectory(tree, write);
  return writeBytes("commit", commitBytes(subject, timestamp, root.dirtree, root.dirmeta), write);
}

function writeDirectory(directory: DirectoryNode, write: WriteObject): Omit<DirtreeDirectory, "name"> {
  const files: DirtreeEntry[] = [];
  const directories: DirtreeDirectory[] = [];
  for (const [name, node] of sortedChildren(directory)) {
    if (!isUtf8(Buffer.from(name, "latin1"))) continue;
    if (node.kind === "directory") directories.push({ name, ...writeDirectory(node, write) });
    else if (node.kind === "file" || node.kind === "symlink") files.push({ name, object: node.object });
  }
  return {
    dirtree: writeBytes("dirtree", dirtreeBytes(files, directories), write),
    dirmeta: writeBytes("dirmeta", dirmetaBytes(directory.attributes), write),
  };
}

function writeBytes(kind: ObjectKind, bytes: Buffer, write: WriteObject): ObjectName {
  const name = metadataName(bytes);
  write(name, kind, bytes);
  return name;
}
