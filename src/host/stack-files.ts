import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { KeelsonError, printable } from "../errors.ts";
import { parseIni } from "../ini.ts";
import { type Lock, lockPathOf, parseLock } from "../plan/lock-file.ts";
import type { Places } from "../plan/places.ts";
import type { StackFile } from "../plan/stack.ts";
import { namesIn } from "../store/directory.ts";
import type { HostRoot } from "./root.ts";

/** Where stacks are, as the host names it. */
export function stackDirectoryOf(configuration: string): string {
  return `${configuration}/stack.d`;
}

/** A stack file with its lock. */
export interface LockableFile extends StackFile {
  /** Where its lock is, or is to be, for system calls. */
  readonly lockPlace: string;
  /** The same as the host names it. */
  readonly lockPath: string;
  readonly lock?: Lock;
}

/** What is applied together. */
export interface StackFiles {
  /** The file or directory, as the host names it. */
  readonly path: string;
  /** By their names. */
  readonly files: readonly LockableFile[];
  /** Whether a stack file of that path is, or was, one of these. */
  owns(path: string): boolean;
}

/**
 * Reads a stack file, or every `*.conf` of a directory, with the locks beside them; without `given` the host's own directory,
 * which is `optional` or not. Throws E_NOT_FOUND where there is none, and E_SETTINGS.
 */
export function readStackFiles(
  root: HostRoot,
  { configuration }: Places,
  given: string | undefined,
  optional = false,
): StackFiles {
  const stackDirectory = stackDirectoryOf(configuration);
  const place = given === undefined ? root.path(stackDirectory) : resolve(given);
  const there = statSync(place, { throwIfNoEntry: false });
  if (there === undefined && !optional) {
    throw new KeelsonError("E_NOT_FOUND", `there is no stack file and no directory ${printable(place)}`, {
      hint: `A stack is an ini file with a section for each container; without one, ${stackDirectory}/*.conf are taken.`,
    });
  }
  const path = root.pathOnHost(place);
  if (there !== undefined && !there.isDirectory())
    return { path, files: [readStack(place, root)], owns: (other) => other === path };
  const names = namesIn(place).filter((name) => name.endsWith(".conf") && !name.startsWith("."));
  const files = names.toSorted().map((name) => readStack(join(place, name), root));
  return { path, files, owns: (other) => dirname(other) === path };
}

function readStack(place: string, root: HostRoot): LockableFile {
  const [path, lockPlace] = [root.pathOnHost(place), lockPathOf(place)];
  const lockPath = root.pathOnHost(lockPlace);
  const lock = existsSync(lockPlace) ? parseLock(lockPath, parseIni(readFileSync(lockPlace, "utf8"))) : undefined;
  const sections = parseIni(readFileSync(place, "utf8"));
  return { path, lockPlace, lockPath, sections, ...(lock === undefined ? {} : { lock }) };
}
