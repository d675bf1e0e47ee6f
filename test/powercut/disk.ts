import { cp, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { unpackDebian } from "../bed/debian-root.ts";
import { runKeelson } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { run } from "../bed/run.ts";
import { writeInitrd } from "./initrd.ts";
import { writeVersions } from "./versions.ts";

/** Nobody logs in, nothing is plugged in, and the disk is found by its name: what Debian starts for that only costs time. */
const unneeded = [
  ...["systemd-udev-trigger", "systemd-udevd", "kmod-static-nodes", "modprobe@", "systemd-modules-load"],
  ...["systemd-binfmt", "systemd-pstore", "systemd-sysctl", "systemd-update-utmp", "systemd-update-utmp-runlevel"],
  ...["systemd-user-sessions", "systemd-logind", "getty-static", "serial-getty@ttyS0", "e2scrub_reap"],
  ...["systemd-journal-flush", "systemd-random-seed", "systemd-remount-fs", "systemd-sysusers"],
].map((name) => `${name}.service`);
const unneededToo = [
  ...["systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "getty.target", "timers.target"],
  ...["dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount"],
  ...["sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount", "proc-sys-fs-binfmt_misc.automount"],
];

const checkUnit = `[Unit]
After=multi-user.target

[Service]
Type=exec
ExecStart=/bin/sh /opt/powercut/check.sh
StandardOutput=file:/dev/ttyS1
`;

/**
 * Writes `disk.img`, a Debian 12 with keelson in /opt and etcd installed by it and enabled, and its kernel `vmlinuz` and
 * `initrd` to the directory `home`. Of each container the current deployment alone is kept, so that every update brings an
 * image and takes one away.
 */
export async function makePowercutDisk(home: string): Promise<void> {
  const root = join(home, "root");
  await mkdir(root);
  await unpackDebian(root);
  await cp(join(root, "vmlinuz"), join(home, "vmlinuz"), { dereference: true });
  await writeInitrd(root, join(home, "initrd"));
  for (const path of ["boot", "lib/modules", "usr/share/doc", "usr/share/locale"])
    await rm(join(root, path), { recursive: true });
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  await put("etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
  await put("etc/machine-id", "");
  await put("etc/hosts", "127.0.0.1 localhost\n");
  await put("etc/resolv.conf", "");
  await put("etc/keelson/keelson.conf", "keep = 1\n");
  await put("etc/systemd/system/check.service", checkUnit);
  await put("etc/systemd/journald.conf", "[Journal]\nStorage=volatile\n");
  const units = join(root, "etc/systemd/system");
  for (const unit of [...unneeded, ...unneededToo]) await symlink("/dev/null", join(units, unit));
  await hideGenerators(root);
  await symlink("../check.service", join(units, "multi-user.target.wants/check.service"));
  await cp(join(import.meta.dirname, "guest"), join(root, "opt/powercut"), { recursive: true });
  await cp(dirname(await builtProgram()), join(root, "opt/keelson"), { recursive: true });
  await writeVersions(join(root, "opt/images"));
  const image = `oci:${join(root, "opt/images/v1")}:latest`;
  const args = ["--root", root, "install", "--system", "--name", "etcd", image];
  const { status, stderr } = await runKeelson(args, { program: join(root, "opt/keelson/keelson") });
  expect(status, stderr).toBe(0);
  await run("mkfs.ext4", "-q", "-d", root, join(home, "disk.img"), "2G");
  await rm(root, { recursive: true });
}

/** They look for what this disk has not, and do so again at every daemon-reload. */
async function hideGenerators(root: string): Promise<void> {
  const hidden = join(root, "etc/systemd/system-generators");
  await mkdir(hidden, { recursive: true });
  for (const name of await readdir(join(root, "lib/systemd/system-generators"))) {
    await symlink("/dev/null", join(hidden, name));
  }
}
