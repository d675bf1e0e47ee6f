import type { LayerChange } from "./change.ts";
import type { Attributes } from "./entry.ts";
import { blockSize } from "./header.ts";
import { splitPath } from "./path.ts";

/** What ends an archive. */
export const tarEnd = Buffer.alloc(2 * blockSize);

const nameLimit = 100;
/** Octal digits that the fields of a header hold. */
const [ownerLimit, sizeLimit] = [8 ** 7, 8 ** 11];
const nobody: Attributes = { uid: 0, gid: 0, mode: 0, mtime: 0, xattrs: [] };

/** What of a change stands in the header block. */
interface Fields {
  readonly type: string;
  readonly path: string;
  readonly attributes: Attributes;
  readonly linkTarget?: string;
  readonly size?: number;
  readonly major?: number;
  readonly minor?: number;
}

/**
 * The headers of one entry: ustar, with a PAX header before it for what does not fit. The content of a file and tarPadding
 * follow. `linked` are the attributes of what a hard link leads to: some readers set them again. The inverse of openTarReader
 * and planChange; the same change always gives the same bytes.
 */
export function formatEntry(change: LayerChange, linked: Attributes = nobody): Buffer {
  const fields = fieldsOf(change, linked);
  const pax = paxOf(fields);
  const header = headerOf(fields);
  if (pax.length === 0) return header;
  const records = Buffer.from(pax.map(([key, value]) => paxRecord(key, value)).join(""), "latin1");
  const before = headerOf({
    type: "x",
    path: "././@PaxHeader",
    attributes: { ...nobody, mode: 0o644 },
    size: records.length,
  });
  return Buffer.concat([before, records, tarPadding(records.length), header]);
}

/** What fills up a file of that size to whole blocks. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

function fieldsOf(change: LayerChange, linked: Attributes): Fields {
  const { path } = change;
  switch (change.kind) {
    case "directory":
      return { type: "5", path: path === "" ? "./" : `${path}/`, attributes: change.attributes };
    case "file":
      return { type: "0", path, attributes: change.attributes, size: change.size };
    case "symlink":
      return { type: "2", path, attributes: change.attributes, linkTarget: change.target };
    case "hardlink":
      return { type: "1", path, attributes: linked, linkTarget: change.target };
    case "fifo":
      return { type: "6", path, attributes: change.attributes };
    case "character":
      return { type: "3", path, attributes: change.attributes, major: change.major, minor: change.minor };
    case "whiteout": {
      const { parent, name } = splitPath(path);
      return { type: "0", path: `${parent === "" ? "" : `${parent}/`}.wh.${name}`, attributes: nobody };
    }
    case "opaque":
      return { type: "0", path: `${path === "" ? "" : `${path}/`}.wh..wh..opq`, attributes: nobody };
  }
}

function paxOf({ path, linkTarget = "", size = 0, attributes }: Fields): readonly (readonly [string, string])[] {
  const { uid, gid, mtime, xattrs } = attributes;
  const records: (readonly [string, string])[] = [];
  if (path.length > nameLimit) records.push(["path", path]);
  if (linkTarget.length > nameLimit) records.push(["linkpath", linkTarget]);
  if (size >= sizeLimit) records.push(["size", String(size)]);
  if (uid >= ownerLimit) records.push(["uid", String(uid)]);
  if (gid >= ownerLimit) records.push(["gid", String(gid)]);
  if (!isPlainTime(mtime)) records.push(["mtime", mtime.toFixed(9).replace(/\.?0+$/, "")]);
  for (const [name, value] of xattrs) records.push([`SCHILY.xattr.${name}`, value]);
  return records;
}

function isPlainTime(mtime: number): boolean {
  return Number.isInteger(mtime) && mtime >= 0 && mtime < sizeLimit;
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return `${length}${rest}`;
}

/** https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06 */
function headerOf({ type, path, attributes, linkTarget = "", size = 0, major, minor }: Fields): Buffer {
  const { uid, gid, mode, mtime } = attributes;
  const block = Buffer.alloc(blockSize);
  const octal = (value: number, offset: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, "0"), offset, "latin1");
  };
  block.write(path, 0, nameLimit, "latin1");
  octal(mode, 100, 7);
  octal(uid < ownerLimit ? uid : 0, 108, 7);
  octal(gid < ownerLimit ? gid : 0, 116, 7);
  octal(size < sizeLimit ? size : 0, 124, 11);
  octal(isPlainTime(mtime) ? mtime : 0, 136, 11);
  block.fill(" ", 148, 156);
  block.write(type, 156, "latin1");
  block.write(linkTarget, 157, nameLimit, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  octal(major ?? 0, 329, 7);
  octal(minor ?? 0, 337, 7);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
