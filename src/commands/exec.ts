import { isRunning, runBeside, runInside } from "../host/beside.ts";
import { readCurrent } from "../host/deployments.ts";
import { hereOnly, type World } from "../world.ts";

/** Runs a command in a container: in it, where it runs, else in a new one on its tree. The command's exit status. */
export async function exec(world: World, name: string, command: readonly string[]): Promise<number> {
  hereOnly(world, "exec");
  const deployment = readCurrent(world.paths.deployments, name);
  return (await isRunning(deployment))
    ? runInside(deployment, command, world.signal)
    : runBeside(deployment, command, { ...world.paths, signal: world.signal });
}
