import { closeSync, openSync } from "node:fs";
import { libc } from "./libc.ts";
import { onFile } from "./name-file.ts";

/** Brings what is written to a file system onto its medium: ahead of time as often as wanted, and for certain at last. */
export interface WriteBack {
  /** Begins it, beside whatever else is done, unless it is under way. */
  begin(): void;
  /** Returns when everything is on the medium. Throws where some of it could not be brought there, also before. */
  finish(): void;
  close(): void;
}

/** `path` is a directory on the file system. Opened once: the kernel tells an error of writing to each open file, once. */
export function openWriteBack(path: string): WriteBack {
  const fd = openSync(path, "r");
  let underWay = false;
  let closed = false;
  let failure: { readonly error: unknown } | undefined;

  function close(): void {
    closed = true;
    if (!underWay) closeSync(fd);
  }

  return {
    begin() {
      if (underWay) return;
      underWay = true;
      libc().beginSync(fd, (error) => {
        underWay = false;
        if (error !== undefined) failure = { error };
        if (closed) closeSync(fd);
      });
    },
    finish() {
      onFile(path, () => {
        libc().syncFileSystem(fd);
        if (failure !== undefined) throw failure.error;
      });
    },
    close,
  };
}
