import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  openSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import type { ObjectName } from "../layer/change.ts";
import type { Attributes } from "../layer/entry.ts";
import { writeFully } from "./durable.ts";
import { libc } from "./libc.ts";
import { onFile } from "./name-file.ts";
import { fileHash, fileObjectName, symlinkObjectName } from "./object.ts";
import { keepsOwners } from "./owner.ts";
import { removeFile } from "./remove.ts";
import type { Staging } from "./staging.ts";

/** Puts a file's whole content into the repository, once; its object's name. */
export function storeFile(staging: Staging, attributes: Attributes, content: Buffer): ObjectName {
  const name = fileObjectName(attributes, content);
  if (!staging.has(name, "file")) {
    const path = staging.stagePath(name, "file");
    const fd = createFile(path);
    try {
      onFile(path, () => writeFully(fd, content));
      setFileAttributes(fd, path, attributes);
    } finally {
      closeSync(fd);
    }
  }
  return name;
}

export interface FileWriter {
  write(chunk: Buffer): void;
  /** The name of the object, now staged. */
  finish(): ObjectName;
  /** Closes and forgets what was written. */
  abandon(): void;
}

/** Like storeFile for a file too large to hold: hashed and written as it comes. */
export function openFileWriter(staging: Staging, attributes: Attributes): FileWriter {
  const hash = fileHash(attributes);
  const scratch = staging.scratchPath();
  const fd = createFile(scratch);
  let open = true;
  function close(): void {
    if (open) closeSync(fd);
    open = false;
  }
  return {
    write(chunk) {
      hash.update(chunk);
      onFile(scratch, () => writeFully(fd, chunk));
    },
    finish() {
      const name = hash.digest("hex");
      try {
        setFileAttributes(fd, scratch, attributes);
      } finally {
        close();
      }
      // Never over an object that exists: deployments are links to its inode.
      if (staging.has(name, "file")) removeFile(scratch);
      else renameSync(scratch, staging.stagePath(name, "file"));
      return name;
    },
    abandon: close,
  };
}

/** Puts a symlink into the repository, once; its object's name. */
export function storeSymlink(staging: Staging, attributes: Attributes, target: string): ObjectName {
  const name = symlinkObjectName(attributes, target);
  if (!staging.has(name, "file")) {
    const path = staging.stagePath(name, "file");
    symlinkSync(Buffer.from(target, "latin1"), path);
    if (keepsOwners) lchownSync(path, attributes.uid, attributes.gid);
    libc().setTime(Buffer.from(path), attributes.mtime);
  }
  return name;
}

/** chown drops set-id bits and capabilities, so it comes first; the time last, as everything else would move it. */
function setFileAttributes(fd: number, path: string, attributes: Attributes): void {
  const { uid, gid, mode, mtime, xattrs } = attributes;
  onFile(path, () => {
    // To 0:0 too: a new file takes the group of the process, or of a set-group-id directory.
    if (keepsOwners) fchownSync(fd, uid, gid);
    fchmodSync(fd, mode);
    for (const [name, value] of xattrs) libc().setXattr(Buffer.from(path), name, Buffer.from(value, "latin1"));
    if (mtime >= 0) futimesSync(fd, mtime, mtime);
    else libc().setTime(Buffer.from(path), mtime);
  });
}

function createFile(path: string): number {
  return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
}
