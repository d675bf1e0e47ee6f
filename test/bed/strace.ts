import { lstat, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { environment, type Ran, runToEnd } from "./journey.ts";
import { builtProgram } from "./program.ts";

/** One call by which a run of keelson changes its root. */
export interface Point {
  readonly call: string;
  /** What strace counts the call by: a path below the root, of several the first. */
  readonly path: string;
  /** The how manieth of its thread's calls on that path it is, and of all its calls. */
  readonly when: number;
  readonly whenOfAll: number;
  /** The call with all its paths, for people and to know it again. */
  readonly text: string;
}

export type Errno = "ENOSPC" | "EIO";

/** What is done to the run when it enters the call. */
type Effect = "signal=KILL" | `error=${Errno}`;

/** Calls that add something to the file system, and so can find it full. */
const adding =
  "open openat openat2 creat write writev pwrite64 pwritev pwritev2 mkdir mkdirat mknod mknodat link linkat symlink symlinkat rename renameat renameat2 truncate ftruncate fallocate copy_file_range sendfile splice setxattr lsetxattr fsetxattr fsync fdatasync syncfs sync sync_file_range msync".split(
    " ",
  );
/** Calls that change what is there. */
const changing =
  "unlink unlinkat rmdir chmod fchmod fchmodat ?fchmodat2 chown lchown fchown fchownat utime utimes futimesat utimensat removexattr lremovexattr fremovexattr".split(
    " ",
  );
const calls = [...adding, ...changing];

/** Whether a full disk may refuse the call. */
export function needsRoom({ call }: Point): boolean {
  return adding.includes(call);
}

/** Runs keelson to its end; every call that changed something below `root`, in order. `log` is a file to write to. */
export async function tracePoints(
  root: string,
  args: readonly string[],
  log: string,
): Promise<Ran & { readonly points: readonly Point[] }> {
  const { lines, ...ran } = await trace(root, args, log, ["-e", `trace=${calls.join(",")}`]);
  const seen = new Map<string, number>();
  const all = new Map<string, number>();
  const points = lines.flatMap((line): readonly Point[] => {
    // Of rename strace looks at the first path alone.
    const matched = line.call === "rename" ? line.paths.slice(0, 1) : line.paths;
    const ofCall = `${line.thread} ${line.call}`;
    count(all, ofCall);
    for (const path of new Set(matched)) count(seen, `${ofCall} ${path}`);
    const [path] = matched;
    if (path === undefined || line.ended !== "done" || !changes(line)) return [];
    const [when = 0, whenOfAll = 0] = [seen.get(`${ofCall} ${path}`), all.get(ofCall)];
    return [{ call: line.call, path, when, whenOfAll, text: line.text }];
  });
  return { ...ran, points };
}

/** Runs keelson again, with the effect at one point. Throws when that point was not met again. */
export async function runInto(
  root: string,
  args: readonly string[],
  log: string,
  point: Point,
  effect: Effect,
): Promise<Ran> {
  const { call, path, text } = point;
  // Asked for a symlink, strace counts the calls on what it leads to as well.
  const linked = (await lstat(join(root, path)).catch(() => undefined))?.isSymbolicLink() === true;
  const [only, when] = linked ? [[], point.whenOfAll] : [["-P", join(root, path)], point.when];
  const options = [...only, "-e", `trace=${call}`, "-e", `inject=${call}:${effect}:when=${when}`];
  const { lines, ...ran } = await trace(root, args, log, options);
  const met = lines.find((line) => line.ended === (effect === "signal=KILL" ? "cut" : "injected"));
  const ofThread = lines.filter(({ thread }) => thread === met?.thread);
  if (met?.text === text && ofThread.indexOf(met) === when - 1) return ran;
  throw new Error(`${text} was to be met for time ${when}, but ${met?.text ?? "nothing"} was: ${ran.stderr}`);
}

interface Line {
  readonly thread: string;
  readonly call: string;
  readonly arguments: string;
  /** Below the root, without it. */
  readonly paths: readonly string[];
  readonly text: string;
  readonly ended: "done" | "failed" | "injected" | "cut";
}

async function trace(
  root: string,
  args: readonly string[],
  log: string,
  options: readonly string[],
): Promise<Ran & { readonly lines: readonly Line[] }> {
  await rm(log, { force: true });
  const command = [await builtProgram(), "--root", root, ...args];
  const ran = await runToEnd("strace", ["-f", "-y", "-qq", "-o", log, ...options, ...command], {
    cwd: "/",
    env: environment,
  });
  return { ...ran, lines: parse(await readFile(log, "utf8"), root) };
}

/** A call that another thread's cut in two stands where it began. */
function parse(log: string, root: string): readonly Line[] {
  const begun: { readonly thread: string; readonly call: string; readonly arguments: string; result: string }[] = [];
  for (const line of log.split("\n")) {
    const [, thread = "", resumed, name = "", rest = ""] =
      /^(\d+) +(<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$/.exec(line) ?? [];
    if (name === "") continue;
    if (resumed === undefined) begun.push({ thread, call: name, arguments: argumentsOf(rest), result: resultOf(rest) });
    else {
      const open = begun.findLast((entry) => entry.thread === thread && entry.call === name);
      if (open !== undefined) open.result = resultOf(rest);
    }
  }
  return begun.map(({ result, ...entry }) => {
    const named = namesOf(entry);
    const below = named.filter((name) => name.startsWith(`${root}/`)).map((name) => name.slice(root.length + 1));
    const text = [entry.call, ...named].join(" ").replaceAll(`${root}/`, "/");
    return { ...entry, paths: below, text, ended: endOf(result) };
  });
}

function argumentsOf(rest: string): string {
  return rest.replace(/(?: <unfinished \.\.\.>|\) += (?:\?|-?\d+).*)$/, "");
}

function resultOf(rest: string): string {
  return / = (\S.*)$/.exec(rest)?.[1] ?? "";
}

function endOf(result: string): Line["ended"] {
  if (/^\d/.test(result)) return "done";
  if (result.endsWith("(INJECTED)")) return "injected";
  return result.startsWith("-") ? "failed" : "cut";
}

/** Paths of open files, and names; not what is written. */
function namesOf({ call, arguments: text }: Pick<Line, "call" | "arguments">): readonly string[] {
  const found = [...text.matchAll(/\d<(\/[^>]*)>|"((?:[^"\\]|\\.)*)"/g)];
  return found.flatMap(([, open, name = ""]) => open ?? (/write/.test(call) ? [] : [name]));
}

/** An open for reading changes nothing. */
function changes({ call, arguments: text }: Line): boolean {
  return !/^open/.test(call) || /\bO_(?:CREAT|TRUNC)\b/.test(text);
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
