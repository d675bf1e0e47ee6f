import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One run of one command, or of several one after the other. */
export interface Run {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of user and system time, of all processes that were waited for. */
  readonly cpu: number;
  /** Bytes, of the largest single process. */
  readonly peak: number;
}

/** Of several runs. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Without a home, and without what would make every Node read certificates before it starts. */
const environment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/nonexistent",
  LC_ALL: "C.UTF-8",
};

/** Runs a command to its end, which has to be a good one, under time(1). */
export async function measure(command: readonly string[]): Promise<Run> {
  const report = join(tmpdir(), `keelson-bench-${process.pid}.time`);
  const began = performance.now();
  const child = spawn("/usr/bin/time", ["-q", "-f", "%U %S %M", "-o", report, ...command], {
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words += text;
  });
  const [status] = await once(child, "close");
  const wall = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${words.slice(-1000)}`);
  const [user = 0, system = 0, kilobytes = 0] = readFileSync(report, "utf8").trim().split(" ").map(Number);
  rmSync(report);
  return { wall, cpu: user + system, peak: kilobytes * 1024 };
}

/** As one run: times add up. */
export async function measureAll(commands: readonly (readonly string[])[]): Promise<Run> {
  const runs: Run[] = [];
  for (const command of commands) runs.push(await measure(command));
  return {
    wall: runs.reduce((sum, { wall }) => sum + wall, 0),
    cpu: runs.reduce((sum, { cpu }) => sum + cpu, 0),
    peak: Math.max(...runs.map(({ peak }) => peak)),
  };
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const half = (sorted.length - 1) / 2;
  return { median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2, min: at(0), max: at(sorted.length - 1) };
}
