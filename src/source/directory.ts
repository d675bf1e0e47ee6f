import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../errors.ts";
import { type FileSet, readRange, type StoredFile, unreadable } from "./file-set.ts";

// A fifo, device or link where a blob should be must neither hang the reader nor lead it elsewhere.
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The files below the directory `root`, which need not exist. A link or special file is refused with E_SOURCE. */
export function openDirectory(root: string): FileSet {
  const handles = new Set<FileHandle>();
  const release = async (handle: FileHandle): Promise<void> => {
    if (handles.delete(handle)) await handle.close();
  };
  return {
    name: root,
    open: async (path) => {
      const handle = await openRegular(root, path);
      if (handle === undefined) return undefined;
      handles.add(handle);
      return storedFile(handle, `${root}/${path}`, release);
    },
    close: async () => {
      await Promise.all([...handles].map(release));
    },
  };
}

async function storedFile(
  handle: FileHandle,
  name: string,
  release: (handle: FileHandle) => Promise<void>,
): Promise<StoredFile> {
  const { size } = await handle.stat();
  return {
    size,
    read: async function* () {
      try {
        yield* readRange(handle, 0, size, name);
      } finally {
        await release(handle);
      }
    },
  };
}

async function openRegular(root: string, path: string): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(join(root, path), openFlags);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return undefined;
    if (errno === "ELOOP" || errno === "ENXIO") throw unreadable(root, `${path} is not a regular file`, error);
    if (errno === undefined) throw error;
    throw unreadable(root, `${path} cannot be opened (${errno})`, error);
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw unreadable(root, `${path} is not a regular file`);
}
