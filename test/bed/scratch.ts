import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new directory that is gone when the test is over. */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "keelson-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs a program to its end; its standard output. A failure throws with what it wrote to standard error. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; input?: string | Buffer } = {},
): string {
  const result = spawnSync(program, args, { ...options, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`${program} ${args.join(" ")} exited ${result.status}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}
