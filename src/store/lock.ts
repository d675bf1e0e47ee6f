import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { libc } from "./libc.ts";
import { onFile } from "./name-file.ts";
import { makePrivateDirectory } from "./private-directory.ts";

/** Milliseconds between two looks at a lock that is held. */
const lookInterval = 50;

export interface Lock {
  release(): void;
}

/**
 * Takes the one writer's lock on the file `path`; the kernel frees it when the holder dies. Throws E_LOCKED naming the
 * holder. The file says who holds it: `PID COMMAND`.
 */
export function takeLock(path: string, command: string): Lock {
  makePrivateDirectory(dirname(path));
  for (;;) {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    if (!libc().tryLock(fd)) {
      closeSync(fd);
      throw locked(path);
    }
    // The last holder may have removed the file, and a third one made a new one, before the lock was had.
    if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) {
      onFile(path, () => {
        ftruncateSync(fd);
        writeSync(fd, `${process.pid} ${command}\n`, 0);
      });
      return { release: () => closeSync(fd) };
    }
    closeSync(fd);
  }
}

/**
 * Like takeLock, but waits while somebody else holds it; `say` is told once who. Throws what takeLock throws but for
 * E_LOCKED, and the abort of `signal`.
 */
export async function waitForLock(
  path: string,
  command: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<Lock> {
  for (let told = false; ; told = true) {
    try {
      return takeLock(path, command);
    } catch (error) {
      if (!(error instanceof KeelsonError) || error.code !== "E_LOCKED") throw error;
      if (!told) say(`${error.message}; waiting`);
    }
    // flock(2) would keep the whole process from hearing a signal.
    await pause(lookInterval, undefined, { signal });
  }
}

function locked(path: string): KeelsonError {
  const holder = printable(holderOf(path)) || "unknown";
  return new KeelsonError("E_LOCKED", `another keelson is at work here: process ${holder}`, {
    hint: "Wait until it is done and try again, or let --wait do so.",
  });
}

/** The holder may let go, and remove the file, at any moment. */
function holderOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}
