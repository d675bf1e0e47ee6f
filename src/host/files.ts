import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, mkdirSync, openSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { shownPath } from "../layer/path.ts";
import type { FileState, HostChange } from "../plan/change.ts";
import { besidePath, createDurably, directoryOf, linkDurably, syncDirectory, writeDurably } from "../store/durable.ts";
import { objectPath } from "../store/object.ts";
import { removeFile, removeTree } from "../store/remove.ts";
import { environment, programPath } from "./program.ts";
import type { HostRoot } from "./root.ts";

/** Where changes of the file system are made. The directories are paths of the root. */
export interface FilePlaces {
  readonly root: HostRoot;
  readonly deployments: string;
  readonly repository: string;
}

type FileChange = Extract<HostChange, { kind: "file" | "symlink" | "directory" | "current" | "purge" }>;

/**
 * Makes one change of the file system, durably. Repeating it, wholly or half done, gives the same; what stands at a path
 * and is neither what the change starts from nor what it leads to is left alone. Where it has been made already, or is
 * taken back before it was made, it needs no room on the disk.
 */
export function changeFile(change: FileChange, places: FilePlaces): void {
  const { root, deployments } = places;
  switch (change.kind) {
    case "file":
      return changeRegularFile(change, places);
    case "symlink":
      return changeSymlink(change, root);
    case "directory":
      return changeDirectory(change, root);
    case "current":
      return changeCurrent(change, root.path(`${deployments}/${change.name}/current`));
    case "purge":
      removeState(root.bytes(change.path));
      return syncDirectory(directoryOf(root.bytes(change.path)));
  }
}

/** What a user's containers have written may be another's, of the ids that only a user namespace of that user has. */
function removeState(path: Buffer): void {
  try {
    removeTree(path);
  } catch (error) {
    const unshare = programPath("unshare");
    const denied = ["EACCES", "EPERM"].includes(errnoOf(error) ?? "");
    if (process.getuid?.() === 0 || unshare === undefined || !denied) throw error;
    const command = ["--map-root-user", "--map-auto", "rm", "-rf", "--", path.toString()];
    if (spawnSync(unshare, command, { env: environment, stdio: "ignore" }).status !== 0) throw error;
  }
}

function changeRegularFile(change: FileChange & { kind: "file" }, places: FilePlaces): void {
  const { root } = places;
  const path = root.bytes(change.path);
  removeBeside(path);
  const fact = root.at(change.path);
  const holds = (state: FileState | undefined): boolean =>
    state !== undefined && fact.kind === "file" && fact.sha256 === state.sha256;
  if (change.to === undefined) {
    if (holds(change.from)) removeDurably(path);
  } else if (fact.kind === "missing") {
    createDurably(path, contentOf(change.to, places), change.to.mode);
  } else if (holds(change.to) && fact.kind === "file" && fact.mode === change.to.mode && isOwn(path)) {
    syncDirectory(directoryOf(path));
  } else if (holds(change.from) || holds(change.to)) {
    writeDurably(path, contentOf(change.to, places), change.to.mode);
  } else {
    throw inTheWay(change.path);
  }
}

/** What keelson writes belongs to who runs it, so one that is somebody else's is not as it was made. */
function isOwn(path: Buffer): boolean {
  const { uid, gid } = lstatSync(path);
  return uid === process.getuid?.() && (uid !== 0 || gid === 0);
}

function contentOf(state: FileState, { root, repository }: FilePlaces): string | Buffer {
  const { content } = state;
  if (content.kind === "text") return content.text;
  const path =
    content.kind === "path"
      ? root.bytes(content.path)
      : root.bytes(`${repository}/objects/${objectPath(content.object, "file")}`);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const bytes = readFileSync(fd);
    if (createHash("sha256").update(bytes).digest("hex") === state.sha256) return bytes;
  } finally {
    closeSync(fd);
  }
  throw new KeelsonError("E_STORE", `${shownPath(path.toString("latin1"))} is no longer what was to be installed`, {
    hint: "The store is damaged, or somebody changed the root filesystem; pull the image again.",
  });
}

function changeSymlink(change: FileChange & { kind: "symlink" }, root: HostRoot): void {
  const path = root.bytes(change.path);
  removeBeside(path);
  const fact = root.at(change.path);
  const target = fact.kind === "symlink" ? fact.target : undefined;
  if (change.to === undefined) {
    if (target !== undefined && target === change.from) removeDurably(path);
  } else if (target === change.to) {
    syncDirectory(directoryOf(path));
  } else if (fact.kind === "missing" || (target !== undefined && target === change.from)) {
    linkDurably(path, Buffer.from(change.to, "latin1"));
  } else {
    throw inTheWay(change.path);
  }
}

function changeDirectory(change: FileChange & { kind: "directory" }, root: HostRoot): void {
  const path = root.bytes(change.path);
  try {
    if (change.to === undefined) rmdirSync(path);
    else mkdirSync(path, { mode: change.to });
  } catch (error) {
    // Somebody else made it, uses it, or it is already as it should be.
    const harmless = change.to === undefined ? ["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR", "EBUSY"] : ["EEXIST"];
    if (!harmless.includes(errnoOf(error) ?? "")) throw error;
    return;
  }
  syncDirectory(directoryOf(path));
}

function changeCurrent(change: FileChange & { kind: "current" }, link: string): void {
  removeBeside(Buffer.from(link));
  const target = lstatSync(link, { throwIfNoEntry: false }) === undefined ? undefined : readlinkSync(link);
  if (change.to !== undefined) {
    return target === String(change.to) ? syncDirectory(dirname(link)) : linkDurably(link, String(change.to));
  }
  if (target === undefined || (change.from !== undefined && target !== String(change.from))) return;
  removeDurably(Buffer.from(link));
}

/** What a crash left of a change; there is none where the directory it would be in is none. */
function removeBeside(path: Buffer): void {
  try {
    removeFile(besidePath(path));
  } catch (error) {
    if (errnoOf(error) !== "ENOTDIR") throw error;
  }
}

function removeDurably(path: Buffer): void {
  removeFile(path);
  syncDirectory(directoryOf(path));
}

function inTheWay(path: string): KeelsonError {
  return new KeelsonError(
    "E_FILE_EXISTS",
    `${shownPath(path)} was changed by somebody else while keelson was at work`,
    {
      hint: "Look at the file and try again; nothing has been overwritten.",
    },
  );
}
