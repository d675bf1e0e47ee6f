import { cpSync, mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../examples/packages.ts";

/** A file system of its own for what is measured, made anew whenever that is asked for. */
export interface BenchDisk {
  /** Where it is mounted; a directory that can be a host's root is below it. */
  readonly path: string;
  readonly root: string;
  /** Makes it an empty ext4 with a journal: what was removed before would slow down the next run. */
  renew(): Promise<void>;
  /** Bytes in use. */
  used(): number;
  remove(): Promise<void>;
}

const size = 12 * 1024 ** 3;

export async function makeDisk(): Promise<BenchDisk> {
  const directory = mkdtempSync(join(tmpdir(), "keelson-bench-"));
  const path = join(directory, "mounted");
  const root = join(path, "root");
  mkdirSync(path);
  let mounted = false;
  let made = 0;

  async function unmount(): Promise<void> {
    if (mounted) await runProgram("umount", ["--recursive", path]);
    mounted = false;
  }

  return {
    path,
    root,
    async renew() {
      await unmount();
      // Another one each time: somebody else's mount namespace may still hold the last.
      rmSync(join(directory, `disk-${made}`), { force: true });
      const file = join(directory, `disk-${++made}`);
      writeFileSync(file, "");
      truncateSync(file, size);
      await runProgram("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", file]);
      await runProgram("mount", ["-o", "loop", file, path]);
      mounted = true;
      for (const name of ["etc", "usr/sbin", "var/lib"]) mkdirSync(join(root, name), { recursive: true });
      cpSync("/usr/sbin/runc", join(root, "usr/sbin/runc"));
      await runProgram("sync", ["-f", path]);
    },
    used() {
      const { blocks, bfree, bsize } = statfsSync(path);
      return (blocks - bfree) * bsize;
    },
    async remove() {
      await unmount();
      rmSync(directory, { recursive: true });
    },
  };
}
