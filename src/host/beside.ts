import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { commandConfig, volatileSources } from "../plan/command-config.ts";
import type { Deployment } from "../plan/deployment.ts";
import { runtimeId } from "../plan/name.ts";
import { removeTree } from "../store/remove.ts";
import { removeIfEmpty } from "../store/store.ts";
import { runAttached } from "./attached.ts";
import { runProgram } from "./program.ts";

const answerTimeout = 10_000;

export interface BesidePlaces {
  readonly deployments: string;
  /** Where bundles stand that are thrown away. */
  readonly once: string;
  /** Nothing is run when it is aborted. */
  readonly signal: AbortSignal;
}

/** Whether the runtime has the container, and its program has neither ended nor is still to be started. */
export async function isRunning({ runtime, name }: Deployment): Promise<boolean> {
  const { status, stdout } = await runProgram(runtime, ["state", runtimeId(name)], answerTimeout);
  if (status !== 0) return false;
  const { status: state }: { readonly status?: unknown } = JSON.parse(stdout);
  return state === "running" || state === "paused";
}

/** Runs a command in a container that runs, on a terminal when there is one; its exit status. */
export function runInside(
  { runtime, name }: Deployment,
  command: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  return runAttached(
    runtime,
    ["exec", ...(process.stdin.isTTY === true ? ["--tty"] : []), runtimeId(name), ...command],
    signal,
  );
}

/**
 * Runs a command in a container of its own, on the tree of a deployment and otherwise as its service would run; without one,
 * the service's own. What of its mounts is below /run, and not there, is made. Its exit status.
 */
export async function runBeside(
  deployment: Deployment,
  command: readonly string[],
  { deployments, once, signal }: BesidePlaces,
): Promise<number> {
  const { name, generation, config, runtime } = deployment;
  const bundle = join(once, String(process.pid));
  // An update leaves alone what a process lives in, but not what the link names.
  const rootfs = realpathSync(join(deployments, name, String(generation), "rootfs"));
  for (const source of volatileSources(config)) if (!existsSync(source)) mkdirSync(source, { recursive: true });
  mkdirSync(bundle, { recursive: true, mode: 0o700 });
  try {
    const text = commandConfig(config, { command, terminal: process.stdin.isTTY === true, rootfs });
    writeFileSync(join(bundle, "config.json"), text, { mode: 0o600 });
    return await runAttached(runtime, ["run", "--bundle", bundle, `${runtimeId(name)}-${process.pid}`], signal);
  } finally {
    removeTree(bundle);
    removeIfEmpty(dirname(bundle));
  }
}
