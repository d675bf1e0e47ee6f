import { expect, it } from "vitest";
import { readRuntimeError } from "../../src/plan/runtime-errors.ts";

const logged = (message: string): string =>
  `time="2026-01-01T00:00:00Z" level=error msg="runc run failed: ${message.replaceAll('"', '\\"')}"`;
const process = "unable to start container process:";
const init = `${process} error during container init:`;

it.each([
  [`${process} exec: "/nope": stat /nope: no such file or directory`, "its program /nope is not in the image"],
  [`${process} exec: "nope": executable file not found in $PATH`, "its program nope is not in the image"],
  [`${process} exec: "/bin/a": permission denied`, "its program /bin/a may not be executed"],
  [
    `${init} error mounting "/tmp" to rootfs at "/bin/a": mount /tmp:/bin/a (via /proc/self/fd/6), flags: 0x5000: not a directory`,
    "of what is mounted at /bin/a and what the image has there, one is a file and one a directory",
  ],
  [
    `${init} error mounting "x" to rootfs at "/data": mount x:/data (via /proc/self/fd/6): no such device`,
    "the kernel has no file system for x, which is to be mounted at /data",
  ],
  [
    `${init} error mounting "/a" to rootfs at "/b": mount /a:/b: operation not permitted`,
    "/a cannot be mounted at /b: mount /a:/b: operation not permitted",
  ],
  [
    `${init} error setting rlimits for ready process: error setting rlimit type 7: operation not permitted`,
    "it wants a higher resource limit (process.rlimits) than the host allows, or systemd gives its service",
  ],
  [
    "unable to create new parent process: namespace path: lstat /run/netns/none: no such file or directory",
    "the namespace /run/netns/none, which it is to join, is not there",
  ],
  ["container with given ID already exists", "the runtime has a container of that name already"],
  ['sysctl "net.x" not allowed in host network namespace', 'sysctl "net.x" not allowed in host network namespace'],
])("runc: %s", (message, text) => {
  expect(readRuntimeError([logged(message), "of no account"])).toEqual({ text });
});

it.each([
  ["executable file `/nope` not found: No such file or directory", "its program /nope is not in the image"],
  ["exec /bin/a: exec format error", "its program /bin/a is for another kind of machine, or no program at all"],
  [
    "exec container process `/bin/a`: Exec format error",
    "its program /bin/a is for another kind of machine, or no program at all",
  ],
  ["the path `/bin/a` is not executable", "its program /bin/a may not be executed"],
])("crun, and what becomes the program: %s", (line, text) => {
  expect(readRuntimeError([line])).toEqual({ text });
});

it.each([
  logged(`${init} error mounting "/srv/a b" to rootfs at "/data": stat /srv/a b: no such file or directory`),
  "cannot stat `/srv/a b`: No such file or directory",
])("names the path of the host that is not there: %s", (line) => {
  expect(readRuntimeError([line])).toEqual({
    text: "/srv/a b, which is mounted into it, is not there",
    source: "/srv/a b",
  });
});

it.each([
  ["open /sys/fs/cgroup/x: No such file or directory"],
  ["executable file of mine"],
  ['{"level":"error","msg":"seccomp"}'],
  [""],
])("what a program of the container says is none of the runtime's: %s", (line) => {
  expect(readRuntimeError([line])).toBeUndefined();
});

it("the last error is the one that counts", () => {
  const lines = [logged("container with given ID already exists"), logged(`${process} exec: "a": permission denied`)];
  expect(readRuntimeError(lines)?.text).toBe("its program a may not be executed");
});
