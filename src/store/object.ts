import { createHash, type Hash, hash } from "node:crypto";
import type { ObjectName } from "../layer/change.ts";
import type { Attributes, Xattrs } from "../layer/entry.ts";
import { array, arrayOfSums, byteArray, string, tuple, uint32, uint64, type Variant } from "./gvariant.ts";

/** Types of OSTree objects; `file` is content, the others are metadata. https://ostreedev.github.io/ostree/repo/ */
export const objectKinds = ["file", "dirtree", "dirmeta", "commit"] as const;
export type ObjectKind = (typeof objectKinds)[number];

const regularFile = 0o100000;
const symbolicLink = 0o120000;
const directory = 0o040000;

/** Where an object stands below `objects/`. */
export function objectPath(name: ObjectName, kind: ObjectKind): string {
  return `${name.slice(0, 2)}/${name.slice(2)}.${kind}`;
}

/** The name of the object at such a path. */
export function objectName(path: string): ObjectName {
  return path.replace("/", "").replace(/\..*$/, "");
}

/** The hash that names a regular file; its content is still to be added. */
export function fileHash(attributes: Attributes): Hash {
  return createHash("sha256").update(fileHeader(attributes));
}

/** The name of a regular file whose content is at hand. */
export function fileObjectName(attributes: Attributes, content: Uint8Array): ObjectName {
  return fileHash(attributes).update(content).digest("hex");
}

/** The name of a symlink; `target` one character a byte. */
export function symlinkObjectName(attributes: Attributes, target: string): ObjectName {
  return createHash("sha256")
    .update(contentHeader(attributes, symbolicLink, target))
    .digest("hex");
}

/** A directory's owner, mode and attributes: `(uuua(ayay))`. */
export function dirmetaBytes(attributes: Attributes): Buffer {
  const { uid, gid, mode, xattrs } = attributes;
  return tuple([uint32(uid), uint32(gid), uint32(directory | mode), xattrVariant(xattrs)]).bytes;
}

export interface DirtreeEntry {
  readonly name: string;
  readonly object: ObjectName;
}

export interface DirtreeDirectory {
  readonly name: string;
  readonly dirtree: ObjectName;
  readonly dirmeta: ObjectName;
}

/** A directory's names: `(a(say)a(sayay))`, both lists in byte order of name. */
export function dirtreeBytes(files: readonly DirtreeEntry[], directories: readonly DirtreeDirectory[]): Buffer {
  const fileRows = files.map(({ name, object }) => ({ name, sums: [object] }));
  const directoryRows = directories.map(({ name, dirtree, dirmeta }) => ({ name, sums: [dirtree, dirmeta] }));
  return tuple([arrayOfSums(fileRows), arrayOfSums(directoryRows)]).bytes;
}

/** A commit without parent: `(a{sv}aya(say)sstayay)`. `timestamp` in seconds since 1970. */
export function commitBytes(subject: string, timestamp: number, dirtree: ObjectName, dirmeta: ObjectName): Buffer {
  const nothing = byteArray(Buffer.alloc(0));
  const time = uint64(BigInt(Math.max(0, Math.trunc(timestamp))));
  const text = string(Buffer.from(subject, "utf8").toString("latin1"));
  return tuple([array([], 8), nothing, array([], 1), text, string(""), time, checksum(dirtree), checksum(dirmeta)])
    .bytes;
}

export function metadataName(bytes: Uint8Array): ObjectName {
  return hash("sha256", bytes, "hex");
}

/** Most files of an image share a few owners and modes, and have no extended attributes. */
const plainHeaders = new Map<string, Buffer>();
const plainHeaderLimit = 1000;

function fileHeader(attributes: Attributes): Buffer {
  const { uid, gid, mode, xattrs } = attributes;
  if (xattrs.length > 0) return contentHeader(attributes, regularFile, "");
  const key = `${uid} ${gid} ${mode}`;
  let header = plainHeaders.get(key);
  if (header === undefined) {
    if (plainHeaders.size === plainHeaderLimit) plainHeaders.clear();
    header = contentHeader(attributes, regularFile, "");
    plainHeaders.set(key, header);
  }
  return header;
}

/** Big-endian length, four zero bytes, then `(uuuusa(ayay))`: what stands before a file's bytes in its hash. */
function contentHeader(attributes: Attributes, type: number, target: string): Buffer {
  const { uid, gid, mode, xattrs } = attributes;
  const header = tuple([
    uint32(uid),
    uint32(gid),
    uint32(type | mode),
    uint32(0),
    string(target),
    xattrVariant(xattrs),
  ]);
  const length = Buffer.alloc(8);
  length.writeUInt32BE(header.bytes.length);
  return Buffer.concat([length, header.bytes]);
}

function xattrVariant(xattrs: Xattrs): Variant {
  const rows = xattrs.map(([name, value]) =>
    tuple([byteArray(Buffer.from(`${name}\0`, "latin1")), byteArray(Buffer.from(value, "latin1"))]),
  );
  return array(rows, 1);
}

function checksum(name: ObjectName): Variant {
  return byteArray(Buffer.from(name, "hex"));
}
