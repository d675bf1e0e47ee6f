import { readContainer, readCurrent } from "../host/deployments.ts";
import { checkoutToMount, mountPoint, mountReadOnly, unmountTree } from "../host/mounts.ts";
import { asRootOnly, asWriter, hereOnly, type World } from "../world.ts";
import { nameImage } from "./name.ts";
import { deploymentSource, fetchImage, type PullRequest, trustedImage } from "./pull.ts";

export interface MountRequest extends PullRequest {
  readonly directory: string;
}

/** Shows the tree of a container, or else of an image, at a directory, read-only. */
export async function mount(world: World, request: MountRequest): Promise<void> {
  hereOnly(world, "mount");
  asRootOnly(world, "mount");
  const at = mountPoint(request.directory);
  const { deployments } = world.paths;
  const installed = /^[\w.-]+$/.test(request.image) && readContainer(deployments, request.image) !== undefined;
  const digest = installed ? await mountContainer(world, request.image, at) : await mountImage(world, request, at);
  world.output.answer({ name: request.image, digest, directory: at }, [`mounted ${request.image} at ${at}`]);
}

async function mountContainer(world: World, name: string, at: string): Promise<string> {
  const { generation, image } = readCurrent(world.paths.deployments, name);
  await mountReadOnly(`${world.paths.deployments}/${name}/${generation}/rootfs`, at);
  return image.digest;
}

async function mountImage(world: World, request: MountRequest, at: string): Promise<string> {
  const named = await nameImage(world, request);
  const asked = { ...request, image: named.image };
  const digest = await asWriter(world, "mount", async () => {
    const image = (await trustedImage(world, asked)) ?? (await fetchImage(world, asked, { kept: false }));
    try {
      const { tree, repository, publish } = deploymentSource(world, image);
      publish();
      await mountReadOnly(checkoutToMount(world.paths.mounts, world.uuid(), tree, repository), at);
      return image.image.digest;
    } finally {
      image.stage?.discard();
    }
  });
  await named.remember();
  return digest;
}

/** Takes away what mount has shown at a directory. */
export async function unmount(world: World, directory: string): Promise<void> {
  hereOnly(world, "unmount");
  asRootOnly(world, "unmount");
  await asWriter(world, "unmount", () => unmountTree(directory, world.paths.mounts));
  world.output.answer({ directory }, [`unmounted ${directory}`]);
}
