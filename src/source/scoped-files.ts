import { constants } from "node:fs";
import { type FileHandle, open, readlink } from "node:fs/promises";
import { errnoOf } from "../errors.ts";
import { readRange, unreadable } from "./file-set.ts";
import type { OpenContent } from "./tar-split.ts";

const linkLimit = 40;
// A fifo, device or link where a file should be must neither hang the reader nor lead it elsewhere.
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens files below `root` by paths that are taken as in a chroot there: links to directories lead nowhere outside. Throws
 * E_SOURCE for what is not a regular file of the size asked for.
 */
export function openScoped(root: string, name: string): OpenContent {
  const base = Buffer.from(root, "utf8").toString("latin1");
  const directories = new Map<string, Promise<string | undefined>>();
  /** What a directory is a link to, undefined when it is none. */
  const linkAt = (path: string): Promise<string | undefined> => {
    const known = directories.get(path) ?? readLink(`${base}/${path}`);
    directories.set(path, known);
    return known;
  };
  return async function* (path, size) {
    const handle = await openRegular(`${base}/${await resolveScoped(path, linkAt, name)}`, path, name);
    try {
      const actual = (await handle.stat()).size;
      if (actual !== size)
        throw unreadable(name, `${shown(path)} has ${actual} bytes, not the ${size} it was stored with`);
      yield* readRange(handle, 0, size, name);
    } finally {
      await handle.close();
    }
  };
}

async function resolveScoped(
  path: string,
  linkAt: (path: string) => Promise<string | undefined>,
  name: string,
): Promise<string> {
  let at: readonly string[] = [];
  const rest = path.split("/").reverse();
  for (let links = 0; rest.length > 0; ) {
    const part = rest.pop() ?? "";
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, -1);
      continue;
    }
    const next = [...at, part];
    const target = rest.length === 0 ? undefined : await linkAt(next.join("/"));
    if (target === undefined) {
      at = next;
      continue;
    }
    if (++links > linkLimit) throw unreadable(name, `${shown(path)} leads through too many links`);
    if (target.startsWith("/")) at = [];
    rest.push(...target.split("/").reverse());
  }
  return at.join("/");
}

async function readLink(path: string): Promise<string | undefined> {
  try {
    return (await readlink(Buffer.from(path, "latin1"), { encoding: "buffer" })).toString("latin1");
  } catch (error) {
    // What is not there is found out when the file is opened.
    if (["EINVAL", "ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

async function openRegular(place: string, path: string, name: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(Buffer.from(place, "latin1"), openFlags);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (errno === "ENOENT" || errno === "ENOTDIR") throw unreadable(name, `it lacks ${shown(path)}`, error);
    throw unreadable(name, `${shown(path)} cannot be opened (${errno})`, error);
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw unreadable(name, `${shown(path)} is not a regular file`);
}

function shown(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}
