import { expect } from "vitest";
import type { Host } from "./host.ts";

const calls =
  "execve,write,writev,sendmsg,sendto,unlink,unlinkat,rmdir,link,linkat,rename,renameat,renameat2,symlink,symlinkat";
// A call that another thread's cuts in two stands in the trace as begun.
const methods = /systemd1\.Manager.*?\\0((?:[A-Z][a-z]+)*(?:Unit|Units|UnitFiles)|Reload)\\0/;
const removed = /^(?:\d+ +)?(?:unlink|rmdir|unlinkat)\((?:AT_FDCWD, )?"([^"]+)".*(?:= 0|<unfinished \.\.\.>)$/;
const renamed =
  /^(?:\d+ +)?(?:rename(?:at2?)?|link(?:at)?)\((?:AT_FDCWD, )?"[^"]+", (?:AT_FDCWD, )?"([^"]+)".*(?:= 0|<unfinished \.\.\.>)$/;
const tmpfiles = /^(?:\d+ +)?execve\("[^"]*systemd-tmpfiles", \[[^\]]*"(--create|--remove)"/;

/**
 * Runs keelson under strace and gives in order what it did to the host: the methods of systemd it called (what only asks
 * left out), `systemd-tmpfiles --create` and `--remove`, `put PATH` for a file that was renamed or linked into its place,
 * `remove PATH`.
 */
export async function traceKeelson(host: Host, ...args: readonly string[]): Promise<readonly string[]> {
  const strace = ["strace", "-f", "-qq", "-s", "600", "-e", `trace=${calls}`, "-o", "/run/trace"];
  const { status, stderr } = await host.machine.run([...strace, host.program, ...args]);
  expect(status, stderr).toBe(0);
  const lines = (await host.machine.ok(["cat", "/run/trace"])).split("\n");
  return lines.flatMap((line) => {
    const method = methods.exec(line)?.[1];
    if (method !== undefined) return method.startsWith("List") || method.startsWith("Get") ? [] : [method];
    const action = tmpfiles.exec(line)?.[1];
    if (action !== undefined) return [`systemd-tmpfiles ${action}`];
    const gone = removed.exec(line)?.[1];
    if (gone !== undefined) return [`remove ${gone}`];
    const target = renamed.exec(line)?.[1];
    return target === undefined ? [] : [`put ${target}`];
  });
}
