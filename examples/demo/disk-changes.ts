import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";

/** Path to what is there now, in one line; `nothing` where the machine removed something. */
export type DiskChanges = ReadonlyMap<string, string>;

/** What systemd writes whenever it runs: its journal, random seed, clock, directories for services' temporary files. */
const systemdsOwn = /^\/var\/(?:log|lib\/systemd|tmp\/systemd-private-[^/]*)(?:\/|$)/;

/**
 * Everything in which a machine's disk differs from how it was made: names, kinds, modes, owners, contents by SHA-256.
 * What was written and is again as it was does not count, nor what systemd itself keeps writing.
 */
export function readDiskChanges(machine: Machine): DiskChanges {
  const written = readdirSync(machine.upper, { recursive: true, encoding: "utf8" }).map((path) => `/${path}`);
  const changes = written
    .filter((path) => !systemdsOwn.test(path))
    .map((path) => ({ path, now: describe(join(machine.root, path)), before: describe(join(machine.pristine, path)) }))
    .filter(({ now, before }) => now !== before);
  return new Map(changes.map(({ path, now }) => [path, now] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The paths at which two readings differ. */
export function differingPaths(before: DiskChanges, after: DiskChanges): readonly string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path)).sort();
}

function describe(path: string): string {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return "nothing";
  const owner = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
  if (stat.isDirectory()) return `directory ${owner}`;
  if (stat.isSymbolicLink()) return `symlink ${readlinkSync(path)}`;
  if (stat.isFile()) return `file ${owner} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
  return `special ${stat.mode} ${stat.rdev} ${owner}`;
}
