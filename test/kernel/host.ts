import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { builtExamples } from "../bed/examples.ts";
import { runKeelson } from "../bed/journey.ts";
import { type Answer, type Disk, makeDisk } from "../bed/qemu.ts";
import { run } from "../bed/run.ts";
import { buildPayloads } from "./payloads.ts";

/** The container, and the lines of the administrator's drop-in for its [Service]. */
const services = {
  eater: ["MemoryMax=64M", "Restart=no"],
  "eater-crun": ["MemoryMax=64M", "Restart=no"],
  limited: [],
  crowd: ["TasksMax=20", "Slice=custom.slice"],
  etcd: ["MemoryMax=300M"],
} as const;

export type Service = keyof typeof services;
export const serviceNames = Object.keys(services) as readonly Service[];

/** A disk on which keelson has installed all services, from outside; none of them has ever run. */
export async function makeHostDisk(): Promise<Disk> {
  const [{ eater, crowd, limited }, { etcd }] = await Promise.all([buildPayloads(), builtExamples()]);
  try {
    return await makeDisk(async (root) => {
      for (const name of serviceNames) {
        const image = { eater, "eater-crun": eater, limited, crowd, etcd }[name];
        const runtime = name.endsWith("-crun") ? ["--runtime", "/usr/bin/crun"] : [];
        await install(root, name, [...runtime, image.reference]);
        await put(root, `/etc/systemd/system/${name}.service.d/limits.conf`, dropIn(services[name]));
        if (name !== "etcd") await makeGate(join(root, "var/lib", name, "gate"));
      }
      await put(root, "/etc/systemd/system/tell@.service", tellUnit);
      // What keelson's own config.json takes from the host.
      await put(root, "/etc/hosts", "127.0.0.1 localhost\n");
      await put(root, "/etc/resolv.conf", "");
    });
  } finally {
    await Promise.all([eater, crowd, limited].map((image) => image.remove()));
  }
}

/** systemd starts this when a service has failed. */
const tellUnit =
  "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'if test -p /run/failed; then echo %i >/run/failed; fi'\n";

function dropIn(lines: readonly string[]): string {
  return ["[Unit]", "OnFailure=tell@%N.service", "[Service]", ...lines, ""].join("\n");
}

/** Installs from outside, which has to succeed. */
export async function install(root: string, name: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runKeelson(["--root", root, "install", "--system", "--name", name, ...args]);
  expect(status, stderr).toBe(0);
}

export async function put(root: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

async function makeGate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await run("mkfifo", join(directory, "open"), join(directory, "full"));
}

/** Lines for the machine's shell that open the gate of a service and wait until systemd says that it has failed. */
export const fail = (name: Service): string =>
  `systemctl is-active ${name}.service || exit; rm -f /run/failed; mkfifo /run/failed; echo go >/var/lib/${name}/gate/open; cat /run/failed; ${show(name)}`;

const properties = "ActiveState,SubState,Result,ExecMainStatus,MainPID,NRestarts,ControlGroup";
export const show = (name: Service): string => `systemctl show ${name}.service --property=${properties}`;

/** Lines that print every file of the service's cgroup and of those below that says something of their state. */
export const cgroup = (name: Service): string =>
  `systemctl is-active ${name}.service || exit; cd /sys/fs/cgroup$(systemctl show -P ControlGroup ${name}.service) && for d in $(find . -type d); do for f in ${files}; do test ! -e $d/$f || ` +
  `echo "$d/$f=$(tr '\\n' ' ' <$d/$f)"; done; done`;
const files = "cgroup.type cgroup.controllers cgroup.procs memory.max pids.max pids.events";

/** What show and cgroup have printed. */
export function facts(answer: Answer): Readonly<Record<string, string>> {
  expect(answer.status, answer.output).toBe(0);
  const lines = answer.output.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(
    lines.map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1).trim()];
    }),
  );
}
