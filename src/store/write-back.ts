import { closeSync, openSync } from "node:fs";
import { libc } from "./libc.ts";
import { onFile } from "./name-file.ts";

/** Brings what is written to a file system onto its medium: ahead of time as often as wanted, and for certain at last. */
export interface WriteBack {
  /** Begins it, beside whatever else is done, unless it is under way. What goes wrong is for finish() to tell. */
  begin(): void;
  /** Returns when everything is on the medium. Throws where some of it could not be brought there, also before. */
  finish(): void;
  close(): void;
}

/**
 * `path` is a directory on the file system. The kernel tells an error of writing once to each open file, so the one that counts
 * is open from the beginning, and another one serves what is begun ahead of time.
 */
export function openWriteBack(path: string): WriteBack {
  const [fd, ahead] = [openSync(path, "r"), openSync(path, "r")];
  let underWay = false;
  let closed = false;

  return {
    begin() {
      if (underWay) return;
      underWay = true;
      libc().beginSync(ahead, () => {
        underWay = false;
        if (closed) closeSync(ahead);
      });
    },
    finish: () => onFile(path, () => libc().syncFileSystem(fd)),
    close() {
      closed = true;
      closeSync(fd);
      if (!underWay) closeSync(ahead);
    },
  };
}
