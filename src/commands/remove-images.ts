import { KeelsonError, printable } from "../errors.ts";
import { readContainers } from "../host/deployments.ts";
import { readHolders } from "../host/generations.ts";
import { findImages } from "../store/find-images.ts";
import { readImages, type StoredImage } from "../store/images.ts";
import { forgetImages } from "../store/prune.ts";
import { asWriter, type World } from "../world.ts";

/**
 * Removes images by reference, or by the beginning of their id or digest, then under every name they have. All or none:
 * one that is not here (E_NOT_FOUND), or whose last name goes while a deployment needs it (E_IN_USE), stops it.
 */
export async function removeImages(world: World, names: readonly string[]): Promise<void> {
  const { paths, output } = world;
  const removed = await asWriter(world, "images rm", async () => {
    const all = readImages(paths.images);
    const called = new Set(names.flatMap((name) => imagesCalled(all, name)));
    const left = new Set(all.filter((image) => !called.has(image)).map(({ digest }) => digest));
    for (const image of called) if (!left.has(image.digest)) checkUnused(world, image);
    const why = forgetImages(paths, [...called]);
    if (why !== undefined) output.warn(`what only they had stays: ${why}`);
    return [...called];
  });
  output.answer(
    { removed: removed.map(({ reference = null, digest, id }) => ({ reference, digest, id })) },
    removed.map(({ reference, digest }) => `removed ${reference ?? "<none>"} (${digest})`),
  );
}

function imagesCalled(all: readonly StoredImage[], name: string): readonly StoredImage[] {
  const found = findImages(all, name);
  if (found.length > 0) return found;
  throw new KeelsonError("E_NOT_FOUND", `there is no image ${printable(name)}`, {
    hint: "keelson images --all shows what is here.",
  });
}

function checkUnused(world: World, image: StoredImage): void {
  const { deployments } = world.paths;
  const called = image.reference ?? image.digest;
  const holders = readHolders(deployments).filter(({ deployment }) => deployment.image.digest === image.digest);
  if (holders.length > 0) {
    const all = holders.map(({ name, number }) => `generation ${number} of ${name}`).join(", ");
    throw new KeelsonError("E_IN_USE", `${called} is needed by ${all}`, {
      hint: "Uninstall the container, or update it and prune; keelson history lists its generations.",
    });
  }
  const broken = readContainers(deployments).find(({ kind }) => kind === "broken");
  if (broken === undefined) return;
  throw new KeelsonError("E_IN_USE", `${called} may be needed by ${broken.name}, which cannot be read`, {
    hint: `Look at ${deployments}/${broken.name}; its current link names the deployment.`,
  });
}
