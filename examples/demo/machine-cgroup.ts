import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes the control group a machine is to run in and gives its path. systemd-nspawn takes the group it is started in for
 * the machine's root: two machines in one group would find each other's services in theirs.
 */
export function makeCgroup(machine: string): string {
  const path = cgroupOf(machine);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Kills what is left in a machine's control group and removes it. */
export function removeCgroup(machine: string): void {
  const path = cgroupOf(machine);
  if (!existsSync(path)) return;
  writeFileSync(join(path, "cgroup.kill"), "1");
  const populated = (): boolean => readFileSync(join(path, "cgroup.events"), "utf8").includes("populated 1");
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < 5000 && populated(); waited += 10) Atomics.wait(clock, 0, 0, 10);
  removeTree(path);
}

/** The directories of a control group's tree are all there is to remove; its files go with them. */
function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  }
  rmdirSync(path);
}

/** Below this process's own group. A host with both versions has version 2 in a place of its own. */
function cgroupOf(machine: string): string {
  const hybrid = "/sys/fs/cgroup/unified";
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  return join(existsSync(hybrid) ? hybrid : "/sys/fs/cgroup", own, machine);
}
