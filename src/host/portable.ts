import { existsSync, lstatSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import { portableDirectories, portableFiles, portableUnits } from "../plan/export-portable.ts";
import type { ExportedMount } from "../plan/exported.ts";
import { namesIn } from "../store/directory.ts";
import { syncFileSystem } from "../store/durable.ts";
import { programPath, runProgram } from "./program.ts";

const copyTimeout = 600_000;

/** What the tree of a portable service is made of. */
export interface PortableTree {
  /** The tree to copy. */
  readonly rootfs: string;
  /** `NAME.service` */
  readonly unit: string;
  readonly text: string;
  readonly mounts: readonly ExportedMount[];
}

/**
 * Writes a copy of a tree at `directory`, where nothing may be, with what a portable service has to have in it: the unit, an
 * os-release, and something to mount on at every place that is mounted on. Throws E_FILE_EXISTS, E_IO.
 */
export async function writePortable(directory: string, { rootfs, unit, text, mounts }: PortableTree): Promise<void> {
  if (existsSync(directory)) {
    throw new KeelsonError("E_FILE_EXISTS", `${directory} is there already`, {
      hint: "Name a directory that is to be made.",
    });
  }
  // Copies: the store's files are links, and what is exported may be changed.
  const copied = await runProgram(programPath("cp") ?? "/bin/cp", ["-a", "--", rootfs, directory], copyTimeout);
  if (copied.status !== 0) {
    throw new KeelsonError("E_IO", `${directory} could not be written: ${copied.stderr.trim()}`, {
      hint: "Remove what there is of it, make room, and try again.",
    });
  }
  for (const path of portableDirectories) makeDirectory(directory, path);
  for (const path of portableFiles) makeFile(directory, path, "");
  for (const { kind, source, destination } of mounts) {
    if (kind === "bind" && statSync(source, { throwIfNoEntry: false })?.isFile() === true)
      makeFile(directory, destination, "");
    else makeDirectory(directory, destination);
  }
  if (!["/etc/os-release", "/usr/lib/os-release"].some((path) => isThere(join(directory, path)))) {
    makeFile(directory, "/usr/lib/os-release", `ID=${basename(unit, ".service").toLowerCase()}\n`);
  }
  writeUnit(directory, `${portableUnits}/${unit}`, text);
  syncFileSystem(directory);
}

/** Whether the names on the way are directories, not links that lead out of the tree. */
function makeDirectory(root: string, path: string): boolean {
  let at = root;
  for (const part of path.split("/").filter(Boolean)) {
    at = join(at, part);
    const there = lstatSync(at, { throwIfNoEntry: false });
    // A link is what the image has made of it, and systemd follows it within the tree.
    if (there !== undefined && !there.isDirectory()) return false;
    if (there === undefined) mkdirSync(at, { mode: 0o755 });
  }
  return true;
}

function makeFile(root: string, path: string, text: string): void {
  if (!makeDirectory(root, dirname(path)) || isThere(join(root, path))) return;
  writeFileSync(join(root, path), text, { mode: 0o644 });
}

/** In place of one that the image brings. */
function writeUnit(root: string, path: string, text: string): void {
  if (!makeDirectory(root, dirname(path))) {
    throw new KeelsonError("E_IO", `${dirname(path)} of the image is no directory, and the unit has to be there`, {
      hint: "Export the container in another form.",
    });
  }
  rmSync(join(root, path), { force: true });
  writeFileSync(join(root, path), text, { mode: 0o644 });
}

function isThere(path: string): boolean {
  return namesIn(dirname(path)).includes(basename(path));
}
