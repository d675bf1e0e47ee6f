import { join } from "node:path";
import { KeelsonError } from "../errors.ts";
import { openRoot } from "./root.ts";

const shells = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh", "/bin/ash"];
const busybox = ["/bin/busybox", "/usr/bin/busybox"];

/** The command of a shell that is in the tree at `rootfs`. Throws E_NO_SHELL. */
export function shellIn(rootfs: string, name: string): readonly string[] {
  const tree = openRoot(rootfs);
  const there = (path: string): boolean => ["file", "symlink"].includes(tree.at(tree.resolve(path)).kind);
  const shell = shells.find(there);
  if (shell !== undefined) return [shell];
  const box = busybox.find(there);
  if (box !== undefined) return [box, "sh"];
  throw new KeelsonError("E_NO_SHELL", `the image of ${name} has no shell`, {
    hint: `keelson exec ${name} PROGRAM runs what it has; keelson mount ${name} ${join("/", "mnt")} shows its files.`,
  });
}
