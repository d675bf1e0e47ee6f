import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeDurably } from "../../src/store/durable.ts";
import { libc } from "../../src/store/libc.ts";
import { onFile } from "../../src/store/name-file.ts";
import { smallDisk } from "../bed/mount.ts";

it("what the system says of an open file names it", () => {
  const fd = openSync("/dev/full", "w");
  try {
    expect(() => onFile("/dev/full", () => writeSync(fd, "x"))).toThrow(
      "ENOSPC: no space left on device, write '/dev/full'",
    );
  } finally {
    closeSync(fd);
  }
});

it("what names a file already, or says nothing of files, stays as it is", () => {
  expect(() => onFile("/other", () => openSync("/none", "r"))).toThrow(
    /^ENOENT: no such file or directory, open '\/none'$/,
  );
  expect(() =>
    onFile("/other", () => {
      throw new Error("a bug");
    }),
  ).toThrow(/^a bug$/);
});

it("a full disk is said of the file that had no room", () => {
  const disk = smallDisk(4096);
  writeFileSync(join(disk, "filler"), "x".repeat(4096));
  expect(() => writeDurably(join(disk, "file"), "x", 0o600)).toThrow(
    `ENOSPC: no space left on device, write '${join(disk, ".file.keelson-new")}'`,
  );
});

it("the C library's errors are like those of Node", () => {
  const path = Buffer.from("/proc/self/status");
  expect(() => libc().setXattr(path, "user.a", Buffer.from("b"))).toThrow(
    expect.objectContaining({
      message: "ENOTSUP: operation not supported on socket, setxattr user.a '/proc/self/status'",
      code: "ENOTSUP",
      syscall: "setxattr user.a",
      path: "/proc/self/status",
    }),
  );
});
