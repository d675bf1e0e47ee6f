import type { HealthCheck } from "../image/health.ts";
import { runtimeId } from "../plan/name.ts";
import { runProgram } from "./program.ts";

/** A container that runs. */
export interface RunningContainer {
  readonly name: string;
  readonly runtime: string;
}

/** Runs the health check once, inside; what it said when it failed, with how it ended, undefined when all is well. */
export async function checkHealth(
  { name, runtime }: RunningContainer,
  health: HealthCheck,
): Promise<string | undefined> {
  const { status, stdout, stderr } = await runProgram(
    runtime,
    ["exec", runtimeId(name), ...health.command],
    health.timeout,
  );
  if (status === 0) return undefined;
  const said = `${stdout}${stderr}`.trim().split("\n").at(-1) ?? "";
  return `${health.command.join(" ")} ${status < 0 ? "took too long" : `ended with ${status}`}${said === "" ? "" : `: ${said}`}`;
}
