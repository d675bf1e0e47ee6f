import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { runProgram } from "../bed/scratch.ts";

/** What stands at each path below a directory: type, mode, owner, device or target or content. Paths are bytes. */
export interface Listing {
  readonly rows: Readonly<Record<string, string>>;
  /** As getfattr(1) prints them. */
  readonly xattrs: string;
  /** Paths by inode, each group of more than one. */
  readonly links: readonly (readonly string[])[];
}

export function listDirectory(directory: string): Listing {
  const rows: Record<string, string> = {};
  const inodes = new Map<bigint, string[]>();
  const visit = (at: Buffer, path: string): void => {
    const stat = lstatSync(at, { bigint: true });
    rows[path] = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${contentOf(at, stat)}`;
    if (!stat.isDirectory()) return void inodes.set(stat.ino, [...(inodes.get(stat.ino) ?? []), path]);
    for (const name of readdirSync(at, { encoding: "buffer" }).sort(Buffer.compare))
      visit(Buffer.concat([at, Buffer.from("/"), name]), `${path}/${name.toString("latin1")}`);
  };
  visit(Buffer.from(directory), "");
  return {
    rows,
    xattrs: runProgram("getfattr", ["-R", "-h", "-d", "-m", "-", "."], { cwd: directory }),
    links: [...inodes.values()].filter((group) => group.length > 1),
  };
}

function contentOf(path: Buffer, stat: BigIntStats): string {
  if (stat.isFile()) return createHash("sha256").update(readFileSync(path)).digest("hex");
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path, { encoding: "buffer" }).toString("latin1")}`;
  return stat.isCharacterDevice() ? `device ${stat.rdev}` : "";
}
