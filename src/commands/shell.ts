import { join } from "node:path";
import { isRunning, runBeside, runInside } from "../host/beside.ts";
import { readCurrent } from "../host/deployments.ts";
import { shellIn } from "../host/shell.ts";
import { hereOnly, type World } from "../world.ts";

/** Runs a shell of the image in a container, as exec does. Its exit status. */
export async function shell(world: World, name: string): Promise<number> {
  hereOnly(world, "shell");
  const { deployments } = world.paths;
  const deployment = readCurrent(deployments, name);
  const command = shellIn(join(deployments, name, "current", "rootfs"), name);
  return (await isRunning(deployment))
    ? runInside(deployment, command, world.signal)
    : runBeside(deployment, command, { ...world.paths, signal: world.signal });
}
