import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "./run.ts";

/** Everything below a directory: path to type, mode, owner, content or target, xattrs, in one line each. */
export type Snapshot = Readonly<Record<string, string>>;

/**
 * Looks at `root` and everything below it. Times do not count; `content` may replace what a file's content is known by,
 * for files that hold a time or a random number.
 */
export async function takeSnapshot(
  root: string,
  content: (path: string) => Promise<string | undefined> = async () => undefined,
): Promise<Snapshot> {
  const xattrs = await readXattrs(root);
  const snapshot: Record<string, string> = {};
  const entries = await readdir(root, { recursive: true });
  for (const path of ["", ...entries].sort()) {
    const at = join(root, path);
    const stat = await lstat(at);
    const mode = (stat.mode & 0o7777).toString(8);
    const what = await describe(at, stat, await content(path));
    snapshot[`/${path}`] = [what, mode, `${stat.uid}:${stat.gid}`, ...(xattrs.get(path) ?? [])].join(" ");
  }
  return snapshot;
}

/** The paths at which two snapshots differ. */
export function differingPaths(one: Snapshot, other: Snapshot): readonly string[] {
  const paths = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...paths].filter((path) => one[path] !== other[path]).sort();
}

async function describe(
  path: string,
  stat: Awaited<ReturnType<typeof lstat>>,
  content: string | undefined,
): Promise<string> {
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return `symlink ${await readlink(path)}`;
  if (stat.isFile()) return `file ${content ?? (await hashOf(path))}`;
  return `other ${stat.mode} ${stat.rdev}`;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Of every file below `root` that has any, by path relative to it. */
async function readXattrs(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const dump = await run("getfattr", "-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", root);
  const blocks = dump.split("\n\n").filter((block) => block.startsWith("# file: "));
  return new Map(
    blocks.map((block) => {
      const [first = "", ...lines] = block.split("\n");
      return [relative(root, first.slice("# file: ".length)), lines.filter((line) => line !== "").sort()];
    }),
  );
}
