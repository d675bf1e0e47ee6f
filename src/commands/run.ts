import { join } from "node:path";
import { parseSet } from "../contract/values.ts";
import { runBeside } from "../host/beside.ts";
import { readContainer, readCurrent } from "../host/deployments.ts";
import { type OnceBundle, runOnce } from "../host/once.ts";
import { containerNameOf } from "../image/reference.ts";
import { commandConfig } from "../plan/command-config.ts";
import { checkName } from "../plan/name.ts";
import { readReference } from "../store/find-images.ts";
import { asRootOnly, asWriter, hereOnly, type World } from "../world.ts";
import { nameImage } from "./name.ts";
import { announce, propose, stageOnce } from "./propose.ts";
import { fetchImage, type PullRequest, trustedImage } from "./pull.ts";

export interface RunRequest extends PullRequest {
  /** Program and arguments; empty: the image's own. */
  readonly command: readonly string[];
  readonly set: readonly string[];
  readonly runtime?: string | undefined;
}

/**
 * Runs a command as a child of this one, in a new container: on the tree of the container of that name, or else of an image,
 * which is fetched when it is not in the store. The command's exit status.
 */
export async function run(world: World, request: RunRequest): Promise<number> {
  hereOnly(world, "run");
  asRootOnly(world, "run");
  const { deployments } = world.paths;
  const installed = /^[\w.-]+$/.test(request.image) && readContainer(deployments, request.image) !== undefined;
  if (installed) {
    const places = { ...world.paths, signal: world.signal };
    return runBeside(readCurrent(deployments, request.image), request.command, places);
  }
  const bundle = await stageBundle(world, request);
  return runOnce(bundle, world.systemd, world.signal);
}

/** What the image keeps goes where its bundle goes: into nothing, unless somebody says where. */
async function stageBundle(world: World, request: RunRequest): Promise<OnceBundle> {
  const named = await nameImage(world, request);
  const asked = { ...request, image: named.image };
  const name = checkName(containerNameOf(readReference(asked.image)));
  const place = join(world.settings.stateDirectory, "once", String(process.pid));
  const places = new Map([
    ["STATE_DIRECTORY", join(place, "state")],
    ["RUN_DIRECTORY", join(place, "run")],
  ]);
  const set = new Map([...places, ...parseSet(request.set)]);
  const bundle = await asWriter(world, "run", async () => {
    const image = (await trustedImage(world, asked)) ?? (await fetchImage(world, asked, { kept: false }));
    try {
      const bare = { enable: false, keepExisting: false, listen: [], once: true };
      const how = { set, uuid: world.uuid(), runtime: request.runtime, ...bare };
      const deployment = await propose(world, how, name, image);
      announce(world, deployment);
      const terminal = process.stdin.isTTY === true;
      const config = commandConfig(deployment.config, { command: request.command, terminal });
      return stageOnce(world, image, { ...deployment, config });
    } finally {
      image.stage?.discard();
    }
  });
  await named.remember();
  return bundle;
}
