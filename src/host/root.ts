import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import type { PathFact } from "../plan/facts.ts";

/** The host's file system, or a directory that is to become one (`--root`). Its paths hold one character a byte. */
export interface HostRoot {
  /** "" for the running host, else an absolute path. */
  readonly prefix: string;
  /** Where a path of the host is for system calls. */
  bytes(path: string): Buffer;
  /** The same for paths that keelson itself chose, as text. */
  path(path: string): string;
  /** The path of the host that `path`, text for system calls, stands for. */
  pathOf(path: string): string;
  /** The path that a file of this machine has on the host: below the root that of the root, else its own. */
  pathOnHost(path: string): string;
  at(path: string): PathFact;
  resolve(path: string): string;
}

const linkLimit = 40;

/** `directory` is an absolute path; "/" is the running host. */
export function openRoot(directory: string): HostRoot {
  const prefix = directory.replace(/\/+$/, "");
  const bytes = (path: string): Buffer => Buffer.concat([Buffer.from(prefix), Buffer.from(path, "latin1")]);
  return {
    prefix,
    bytes,
    path: (path) => `${prefix}${path}`,
    pathOf: (path) => Buffer.from(path.slice(prefix.length)).toString("latin1"),
    pathOnHost: (path) => (prefix !== "" && path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path),
    at: (path) => factAt(bytes(path)),
    resolve: (path) => resolveParents(path, bytes),
  };
}

function factAt(path: Buffer): PathFact {
  const stat = lstatOf(path);
  if (stat === undefined) return { kind: "missing" };
  if (stat.isDirectory()) return { kind: "directory", mode: Number(stat.mode) & 0o7777 };
  if (stat.isSymbolicLink()) return { kind: "symlink", target: readlinkSync(path, "buffer").toString("latin1") };
  return stat.isFile() ? fileFact(path) : { kind: "other" };
}

/** Opened without following or waiting: a path can turn into a link or a fifo between two looks. */
function fileFact(path: Buffer): PathFact {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { kind: "other" };
    const sha256 = createHash("sha256").update(readFileSync(fd)).digest("hex");
    return { kind: "file", mode: stat.mode & 0o7777, sha256 };
  } finally {
    closeSync(fd);
  }
}

/** `path` with symlinks among its parents followed below the root; the last component stays as it is. */
function resolveParents(path: string, bytes: (path: string) => Buffer): string {
  let rest = path.split("/").filter((component) => component !== "" && component !== ".");
  let done: string[] = [];
  for (let links = 0; rest.length > 1; ) {
    const [component = "", ...others] = rest;
    rest = others;
    if (component === "..") {
      done.pop();
      continue;
    }
    const here = `/${[...done, component].join("/")}`;
    const stat = lstatOf(bytes(here));
    if (!stat?.isSymbolicLink() || ++links > linkLimit) {
      done.push(component);
      continue;
    }
    const target = readlinkSync(bytes(here), "buffer").toString("latin1");
    if (target.startsWith("/")) done = [];
    rest = [...target.split("/").filter((part) => part !== "" && part !== "."), ...rest];
  }
  return `/${[...done, ...rest].join("/")}`;
}

function lstatOf(path: Buffer): ReturnType<typeof lstatSync> | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
