import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { checkout } from "../store/checkout.ts";
import { namesIn } from "../store/directory.ts";
import { removeTree } from "../store/remove.ts";
import type { Repository } from "../store/repository.ts";
import { removeIfEmpty } from "../store/store.ts";
import { programPath, runProgram } from "./program.ts";

const mountTimeout = 30_000;

/** A line of proc_pid_mountinfo(5). */
interface Mount {
  /** What is mounted, from the top of its file system. */
  readonly source: string;
  readonly place: string;
}

/** Where a tree of an image is checked out to be mounted, which is `directory`/`id`/rootfs. */
export function checkoutToMount(directory: string, id: string, tree: DirectoryNode, repository: Repository): string {
  const home = join(directory, id);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  try {
    checkout(repository, tree, join(home, "rootfs"));
    return join(home, "rootfs");
  } catch (error) {
    removeTree(home);
    throw error;
  }
}

/** The absolute path of an empty directory that something can be mounted on. Throws E_FILE_EXISTS, E_USAGE. */
export function mountPoint(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new KeelsonError("E_USAGE", `${path} is not a directory`, { hint: "Make the directory first." });
  }
  if (readdirSync(path).length > 0) {
    throw new KeelsonError("E_FILE_EXISTS", `${path} is not empty`, { hint: "Mount on an empty directory." });
  }
  return realpathSync(path);
}

/** Shows a directory at another place, where nothing can be written, no set-id file and no device has its effect. */
export async function mountReadOnly(from: string, at: string): Promise<void> {
  await runMount("mount", ["--bind", "-o", "ro,nosuid,nodev", from, at]);
}

/**
 * Ends what was mounted last at `path`, if it is a tree that keelson has mounted, and removes what was checked out for that.
 * Throws E_NOT_FOUND.
 */
export async function unmountTree(path: string, directory: string): Promise<void> {
  const at = existsSync(path) ? realpathSync(path) : path;
  const mount = readMounts("self").findLast(({ place }) => place === at);
  if (mount === undefined || !/\/(?:deployments\/[^/]+\/[0-9]+|mounts\/[^/]+)\/rootfs$/.test(mount.source)) {
    throw new KeelsonError("E_NOT_FOUND", `nothing that keelson has mounted is at ${path}`, {
      hint: "findmnt shows what is mounted where.",
    });
  }
  await runMount("umount", [at]);
  const id = /\/mounts\/([^/]+)\/rootfs$/.exec(mount.source)?.[1];
  if (id !== undefined && leftCheckouts(directory).includes(join(directory, id))) removeTree(join(directory, id));
  removeIfEmpty(directory);
}

/** The checkouts that are mounted nowhere, as paths: the directory itself when it holds no other. */
export function leftCheckouts(directory: string): readonly string[] {
  const names = namesIn(directory);
  if (names.length === 0) return existsSync(directory) ? [directory] : [];
  const mounted = mountedSources();
  // The kernel names a source from the top of its own file system, which need not be the host's.
  const left = names.filter((id) => ![...mounted].some((source) => source.endsWith(`/mounts/${id}/rootfs`)));
  return left.length < names.length ? left.map((id) => join(directory, id)) : [directory];
}

/** Removes them. */
export function sweepMounts(directory: string): void {
  for (const path of leftCheckouts(directory)) removeTree(path);
}

/** What any process of the host sees mounted, by its sources. */
export function mountedSources(): ReadonlySet<string> {
  const processes = namesIn("/proc").filter((entry) => /^[0-9]+$/.test(entry));
  return new Set(processes.flatMap(readMounts).map(({ source }) => source));
}

/** Empty for processes that are gone, or nobody's to look at. */
function readMounts(pid: string): readonly Mount[] {
  try {
    const lines = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").filter(Boolean);
    return lines.map((line) => {
      const [, , , source = "", place = ""] = line.split(" ").map(unescaped);
      return { source, place };
    });
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EINVAL"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

/** Spaces and such stand there as their octal numbers. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

async function runMount(name: string, argv: readonly string[]): Promise<void> {
  const program = programPath(name);
  const result = program === undefined ? undefined : await runProgram(program, argv, mountTimeout);
  if (result?.status === 0) return;
  const said = result?.stderr.trim() ?? "there is no such program";
  throw new KeelsonError("E_MOUNT", `${name} ${argv.at(-1)}: ${said}`, {
    hint: "Only root may mount; what is in use cannot be unmounted: fuser -vm DIR shows by whom.",
  });
}
