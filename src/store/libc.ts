import { getSystemErrorMap, getSystemErrorName } from "node:util";
import type { Xattrs } from "../layer/entry.ts";
import { type Ffi, ffi as loadFfi } from "../native/ffi.ts";
import { nameFile } from "./name-file.ts";

/** The system calls Node does not offer. Paths are bytes. Each throws an Error like those of node:fs. */
export interface Libc {
  /** Takes the lock, or returns false when another open file holds it. */
  tryLock(fd: number): boolean;
  /** `name` one character a byte. */
  setXattr(path: Buffer, name: string, value: Buffer): void;
  removeXattr(path: Buffer, name: string): void;
  /**
   * Names and values, one character a byte, sorted by name; a symlink's own. Without those that say where it is:
   * security.selinux.
   */
  listXattrs(path: Buffer): Xattrs;
  makeFifo(path: Buffer, mode: number): void;
  makeCharacterDevice(path: Buffer, mode: number, major: number, minor: number): void;
  /** Writes everything of the file system that holds `fd` to its medium. */
  syncFileSystem(fd: number): void;
  /** The same in a thread of the pool, whatever comes of it. */
  beginSync(fd: number, done: () => void): void;
  /** Sets a modification time that may lie before 1970, in seconds; a symlink itself, not what it names. */
  setTime(path: Buffer, seconds: number): void;
}

/** What the kernel lets names, or a value, be at most, in bytes. */
const xattrLimit = 64 * 1024;
const lockExclusive = 2;
const lockNow = 4;
const atCwd = -100;
const symlinkNoFollow = 0x100;
const fifoType = 0o010000;
const characterType = 0o020000;

let loaded: Libc | undefined;

/** The C library, loaded on first use: most commands that only read never need it. */
export function libc(): Libc {
  loaded ??= bind(loadFfi());
  return loaded;
}

type Check = (result: number, syscall: string, path?: Buffer) => void;

function bind(ffi: Ffi): Libc {
  const library = ffi.load("libc.so.6");
  const flock = library.func("int flock(int fd, int operation)");
  const mknod = library.func("int mknod(const uint8_t *path, uint32_t mode, uint64_t device)");
  const syncfs = library.func("int syncfs(int fd)");
  const utimensat = library.func("int utimensat(int directory, const uint8_t *path, const int64_t *times, int flags)");

  function check(result: number, syscall: string, path?: Buffer): void {
    if (result === 0) return;
    const [code = "", reason = ""] = getSystemErrorMap().get(-ffi.errno()) ?? [];
    const error = Object.assign(new Error(`${code}: ${reason}, ${syscall}`), { code, syscall });
    throw path === undefined ? error : nameFile(error, path);
  }

  return {
    tryLock(fd) {
      if (flock(fd, lockExclusive | lockNow) === 0) return true;
      if (getSystemErrorName(-ffi.errno()) === "EAGAIN") return false;
      check(-1, "flock");
      return false;
    },
    ...bindXattrs(library, check),
    makeFifo: (path, mode) => check(mknod(terminated(path), fifoType | mode, 0), "mkfifo", path),
    makeCharacterDevice: (path, mode, major, minor) =>
      check(mknod(terminated(path), characterType | mode, deviceNumber(major, minor)), "mknod", path),
    syncFileSystem: (fd) => check(syncfs(fd), "syncfs"),
    beginSync: (fd, done) => syncfs.async(fd, () => done()),
    setTime(path, seconds) {
      const whole = Math.floor(seconds);
      // A fraction may round up to a whole second, which the kernel would not take as nanoseconds.
      const nanoseconds = Math.min(Math.round((seconds - whole) * 1e9), 999_999_999);
      const time = BigInt.asIntN(64, BigInt(whole));
      const times = new BigInt64Array([time, BigInt(nanoseconds), time, BigInt(nanoseconds)]);
      check(utimensat(atCwd, terminated(path), times, symlinkNoFollow), "utimensat", path);
    },
  };
}

function bindXattrs(
  library: ReturnType<Ffi["load"]>,
  check: Check,
): Pick<Libc, "setXattr" | "removeXattr" | "listXattrs"> {
  const lsetxattr = library.func(
    "int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)",
  );
  const lremovexattr = library.func("int lremovexattr(const uint8_t *path, const uint8_t *name)");
  const llistxattr = library.func("int64_t llistxattr(const uint8_t *path, _Out_ uint8_t *list, size_t size)");
  const lgetxattr = library.func(
    "int64_t lgetxattr(const uint8_t *path, const uint8_t *name, _Out_ uint8_t *value, size_t size)",
  );
  const value = Buffer.alloc(xattrLimit);

  function readValue(path: Buffer, name: string): string {
    const size = Number(lgetxattr(terminated(path), terminated(Buffer.from(name, "latin1")), value, value.length));
    if (size < 0) check(-1, `getxattr ${name}`, path);
    return value.toString("latin1", 0, size);
  }

  return {
    setXattr: (path, name, bytes) =>
      check(
        lsetxattr(terminated(path), terminated(Buffer.from(name, "latin1")), bytes, bytes.length, 0),
        `setxattr ${name}`,
        path,
      ),
    removeXattr: (path, name) =>
      check(
        lremovexattr(terminated(path), terminated(Buffer.from(name, "latin1"))),
        `removexattr ${name} on ${path.toString()}`,
      ),
    listXattrs(path) {
      const length = Number(llistxattr(terminated(path), value, value.length));
      if (length < 0) check(-1, "listxattr", path);
      if (length === 0) return [];
      const names = value.toString("latin1", 0, length - 1).split("\0");
      return names
        .filter((name) => name !== "security.selinux")
        .sort()
        .map((name) => [name, readValue(path, name)] as const);
    },
  };
}

function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.alloc(1)]);
}

/** makedev(3) of glibc for numbers within 12 and 20 bits. */
export function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffn) << 8n) | (low & 0xffn) | ((low & 0xfff00n) << 12n);
}
