import { execFile } from "node:child_process";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** Runs a program to its end and gives its standard output; a failure carries what it wrote to standard error. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await exec(program, [...args], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** Seconds of the processor that it takes. */
export function secondsOf(act: () => void): number {
  const begun = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}
