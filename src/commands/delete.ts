import { KeelsonError, printable } from "../errors.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { deleteImage } from "../source/registry-verbs.ts";
import type { World } from "../world.ts";

/** Removes an image from its registry, with every tag it has there. */
export async function deleteRemote(world: World, image: string, tlsVerify: boolean): Promise<void> {
  const reference = parseReference(image);
  if (reference.kind !== "registry") {
    throw new KeelsonError("E_REFERENCE", `${printable(image)} is not in a registry`, {
      hint: "Remove files with rm, images of the store with keelson images rm.",
    });
  }
  const digest = await deleteImage(reference, world.sourceOptions(tlsVerify));
  const name = formatReference(reference);
  world.output.answer({ reference: name, digest }, [`deleted ${name} (${digest})`]);
}
