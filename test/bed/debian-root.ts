import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

const cache = join(import.meta.dirname, "../.cache/kernel");
const packages = ["crun", "dbus", "initramfs-tools", "kmod", "linux-image-cloud-amd64", "runc"];
const system = ["systemd", "systemd-sysv", "udev"];
const include = [...packages, ...system].join(",");

// Runs under the lock: one process fetches, the others find what it made.
const fetchOnce = `test -e "$1" || { mmdebstrap --quiet --variant=minbase --include="$2" bookworm "$1.part.tar" && mv "$1.part.tar" "$1"; }`;

/**
 * Puts Debian 12 with its kernel, systemd, runc and crun below the directory `root`. Needs root and mmdebstrap; the
 * first call on a machine takes a minute and the network.
 */
export async function unpackDebian(root: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const archive = join(cache, `${createHash("sha256").update(include).digest("hex").slice(0, 16)}.tar`);
  await run("flock", join(cache, "lock"), "sh", "-c", fetchOnce, "sh", archive, include);
  await run("tar", "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xf", archive);
}
