import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { runProgram, scratchDirectory } from "./scratch.ts";

/** An empty file system of its own with room for `bytes`, until the test is over. */
export function smallDisk(bytes: number): string {
  const path = join(scratchDirectory(), "disk");
  mkdirSync(path);
  mount(["-t", "tmpfs", "-o", `size=${bytes},mode=755`, "tmpfs"], path);
  return path;
}

/** Makes a file or directory one that cannot be removed until the test is over, or what this gives is called. */
export function pinDown(path: string): () => void {
  return mount(["--bind", path], path);
}

function mount(options: readonly string[], path: string): () => void {
  runProgram("mount", [...options, path]);
  let mounted = true;
  const unmount = (): void => {
    if (mounted) runProgram("umount", [path]);
    mounted = false;
  };
  onTestFinished(unmount);
  return unmount;
}
