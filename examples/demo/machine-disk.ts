import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeCgroup } from "./machine-cgroup.ts";

const prefix = "keelson-bed-";
const serverUnits = [
  "containerd",
  "docker",
  "docker-registry",
  "etcd",
  "flanneld",
  "redis-server",
  "nginx",
  "postgresql",
];

/**
 * An overlay of three: what the machine writes (upper), what makes it differ from the build machine (bed), and /.
 * The bed's /etc/systemd/system hides the host's, so nothing is enabled that was not enabled in the machine.
 * Gives its directory: `root` is the disk, `disk/upper` what the machine writes, `pristine` the disk without that.
 */
export function makeDisk(hidden: readonly string[], without: readonly string[]): string {
  const home = mkdtempSync(`/tmp/${prefix}${process.pid}-`);
  try {
    mountDisk(home, hidden, without);
  } catch (error) {
    removeDisk(home);
    throw error;
  }
  return home;
}

function mountDisk(home: string, hidden: readonly string[], without: readonly string[]): void {
  const disk = join(home, "disk");
  for (const name of [disk, join(home, "root"), join(home, "pristine")]) mkdirSync(name);
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "keelson-bed", disk]);
  const bed = join(disk, "bed");
  const units = join(bed, "etc/systemd/system");
  for (const name of [units, join(disk, "upper"), join(disk, "work")]) mkdirSync(name, { recursive: true });
  execFileSync("setfattr", ["-n", "trusted.overlay.opaque", "-v", "y", units]);
  // A fixed id: an empty one is a first boot, where systemd enables every unit it finds.
  writeFileSync(join(bed, "etc/machine-id"), `${randomBytes(16).toString("hex")}\n`);
  writeFileSync(join(bed, "etc/hostname"), "bed\n");
  for (const unit of ["systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service"]) {
    symlinkSync("/dev/null", join(units, unit));
  }
  const unitFiles = [...serverUnits, ...hidden].flatMap((name) => [
    `/usr/lib/systemd/system/${name}.service`,
    `/usr/lib/systemd/system/${name}.socket`,
    `/etc/init.d/${name}`,
  ]);
  for (const path of [...unitFiles, ...without]) {
    mkdirSync(join(bed, dirname(path)), { recursive: true });
    execFileSync("mknod", [join(bed, path), "c", "0", "0"]);
  }
  const layers = `lowerdir=${bed}:/,upperdir=${join(disk, "upper")},workdir=${join(disk, "work")}`;
  execFileSync("mount", ["-t", "overlay", "-o", layers, "overlay", join(home, "root")]);
  execFileSync("mount", ["-t", "overlay", "-o", `ro,lowerdir=${bed}:/`, "overlay", join(home, "pristine")]);
}

/** Removes what a process that no longer lives has left. */
export function sweepDisks(): void {
  for (const name of readdirSync("/tmp")) {
    const owner = name.startsWith(prefix) ? Number(name.slice(prefix.length).split("-")[0]) : undefined;
    if (owner !== undefined && !alive(owner)) removeDisk(join("/tmp", name));
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Ends what still runs on the disk in `home`, unmounts it and deletes the directory. Synchronous: it also runs on exit. */
export function removeDisk(home: string): void {
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    if (commandOf(name).includes(`--directory=${home}/root`)) end(Number(name));
  }
  removeCgroup(basename(home));
  for (const path of ["root", "pristine", "disk"].map((name) => join(home, name))) {
    try {
      execFileSync("umount", ["-l", path], { stdio: "ignore" });
    } catch {
      // Not mounted: the machine failed before it had a disk.
    }
  }
  rmSync(home, { recursive: true, force: true });
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself meanwhile.
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
