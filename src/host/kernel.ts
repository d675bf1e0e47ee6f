import { existsSync, readFileSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import type { HostRoot } from "./root.ts";

/** By number. https://man7.org/linux/man-pages/man7/capabilities.7.html */
const capabilityNames = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
].map((name) => `CAP_${name}`);

export interface KernelFacts {
  /** Names of the capabilities a service can be given, by number. */
  readonly capabilities: readonly string[];
  readonly selinux: boolean;
  readonly apparmor: boolean;
}

/** What the running kernel offers; for another root, what the system installed there says it uses. */
export function readKernel(root: HostRoot): KernelFacts {
  if (root.prefix !== "") {
    const selinux = /^SELINUX=(?:enforcing|permissive)/m.test(readText(root.path("/etc/selinux/config")));
    return { capabilities: capabilityNames, selinux, apparmor: existsSync(root.path("/sbin/apparmor_parser")) };
  }
  return {
    capabilities: grantable(),
    selinux: existsSync("/sys/fs/selinux/enforce"),
    apparmor: readText("/sys/module/apparmor/parameters/enabled").trim() === "Y",
  };
}

/**
 * What the kernel knows and this system's bounding set leaves: a runtime that is asked for more cannot start anything.
 * The set is that of PID 1, which starts the services.
 */
function grantable(): readonly string[] {
  const last = Number(readText("/proc/sys/kernel/cap_last_cap") || capabilityNames.length - 1);
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readText("/proc/1/status"))?.[1];
  const mask = bounding === undefined ? -1n : BigInt(`0x${bounding}`);
  return capabilityNames.filter((_, number) => number <= last && ((mask >> BigInt(number)) & 1n) === 1n);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return "";
    throw error;
  }
}
