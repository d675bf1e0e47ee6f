import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { libc } from "../../src/store/libc.ts";

/** One path of a tree, in words: type, mode, owner, time, content or target or device, extended attributes. */
export type Row = string;

export interface RowMore {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970, a multiple of a microsecond; `any` where no entry says it. */
  readonly mtime?: number | "any";
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** The time of every entry that says no other. */
export const madeAt = 1_000_000_000;

export function isFile(content: string | Buffer = "", more: RowMore = {}): Row {
  return row(
    "file",
    { mode: 0o644, ...more },
    shown(typeof content === "string" ? Buffer.from(content, "latin1") : content),
  );
}

export function isDirectory(more: RowMore = {}): Row {
  return row("directory", { mode: 0o755, ...more }, "");
}

/** A directory that no entry describes. */
export const implied: Row = isDirectory({ mtime: "any" });

export function isLink(target: string, more: RowMore = {}): Row {
  return row("symlink", { mode: 0o777, ...more }, `-> ${JSON.stringify(target)}`);
}

export function isFifo(more: RowMore = {}): Row {
  return row("fifo", { mode: 0o644, ...more }, "");
}

export function isCharacter(major: number, minor: number, more: RowMore = {}): Row {
  return row("character", { mode: 0o644, ...more }, `${major},${minor}`);
}

/** Another name of the same inode. */
export function isSameAs(path: string): Row {
  return `= ${path}`;
}

function row(kind: string, more: RowMore & { readonly mode: number }, what: string): Row {
  const { mode, uid = 0, gid = 0, mtime = madeAt, xattrs = {} } = more;
  const attributes = Object.entries(xattrs).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    kind,
    mode.toString(8),
    `${uid}:${gid}`,
    mtime === "any" ? "*" : `@${mtime}`,
    ...(what === "" ? [] : [what]),
    ...attributes.map(([name, value]) => `${JSON.stringify(name)}=${JSON.stringify(value)}`),
  ].join(" ");
}

function shown(content: Buffer): string {
  if (content.length <= 64) return JSON.stringify(content.toString("latin1"));
  return `${content.length} bytes ${createHash("sha256").update(content).digest("hex").slice(0, 16)}`;
}

interface Found {
  readonly row: Row;
  readonly inode: string;
}

/**
 * How the tree at `root` differs from `wanted`, a line each. The path `known` of this machine is called OUTSIDE, also where a
 * tree has it inside; the directories above it there do not count.
 */
export function differencesFrom(wanted: Readonly<Record<string, Row>>, root: string, known: string): readonly string[] {
  const found = readTree(root, known);
  const lines: string[] = [];
  for (const [path, expected] of Object.entries(wanted)) {
    const there = found.get(path);
    if (there === undefined) lines.push(`${JSON.stringify(path)} is missing`);
    else if (expected.startsWith("= ")) {
      if (found.get(expected.slice(2))?.inode !== there.inode) lines.push(`${JSON.stringify(path)} is not ${expected}`);
    } else if (timeless(there.row, expected) !== expected)
      lines.push(`${JSON.stringify(path)} is ${there.row}, not ${expected}`);
  }
  for (const path of found.keys()) {
    const above = path === "" || known.startsWith(`/${path}/`);
    if (!above && !(path in wanted)) lines.push(`${JSON.stringify(path)} is too many: ${found.get(path)?.row}`);
  }
  return lines;
}

/** What stands at each path of a tree, the root under "", as rows: for comparing before and after. */
export function snapshotOf(root: string, times = true): Readonly<Record<string, Row>> {
  const rows = [...readTree(root, "/nowhere")].map(([path, { row: text }]) => [
    path,
    times ? text : timelessDirectory(text),
  ]);
  return Object.fromEntries(rows);
}

/** A directory in which something was made and removed again has another time. */
function timelessDirectory(text: Row): Row {
  return text.startsWith("directory ") ? text.replace(/ @\S+/, "") : text;
}

function timeless(found: Row, expected: Row): Row {
  return expected.split(" ")[3] === "*" ? found.replace(/^((?:\S+ ){3})\S+/, "$1*") : found;
}

function readTree(root: string, known: string): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  const pending: { at: Buffer; path: string }[] = [{ at: Buffer.from(root), path: "" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { at, path } = next;
    const stat = lstatSync(at, { bigint: true });
    const text = row(kindOf(at), attributesOf(at), contentOf(at)).replaceAll(known, "OUTSIDE");
    found.set(inWords(path, known), { row: text, inode: `${stat.dev} ${stat.ino}` });
    if (!stat.isDirectory()) continue;
    for (const name of readdirSync(at, { encoding: "buffer" })) {
      const below = path === "" ? name.toString("latin1") : `${path}/${name.toString("latin1")}`;
      pending.push({ at: Buffer.concat([at, Buffer.from("/"), name]), path: below });
    }
  }
  return found;
}

function inWords(path: string, known: string): string {
  return `/${path}/`.startsWith(`${known}/`) ? `OUTSIDE${path.slice(known.length - 1)}` : path;
}

function kindOf(at: Buffer): string {
  const stat = lstatSync(at);
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  return stat.isCharacterDevice() ? "character" : stat.isBlockDevice() ? "block" : "socket";
}

function attributesOf(at: Buffer): Required<RowMore> {
  const { mode, uid, gid, mtimeNs } = lstatSync(at, { bigint: true });
  const nearest = (mtimeNs + (mtimeNs < 0n ? -500n : 500n)) / 1000n;
  return {
    mode: Number(mode & 0o7777n),
    uid: Number(uid),
    gid: Number(gid),
    mtime: Number(nearest) / 1e6,
    xattrs: Object.fromEntries(libc().listXattrs(at)),
  };
}

function contentOf(at: Buffer): string {
  const stat = lstatSync(at);
  if (stat.isFile()) return shown(readFileSync(at));
  if (stat.isSymbolicLink()) return `-> ${JSON.stringify(readlinkSync(at, { encoding: "buffer" }).toString("latin1"))}`;
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return "";
  const device = BigInt(stat.rdev);
  return `${(device >> 8n) & 0xfffn},${(device & 0xffn) | ((device >> 12n) & 0xfff00n)}`;
}
