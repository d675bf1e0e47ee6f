import { formatReference } from "../image/reference.ts";
import { readReference } from "../store/find-images.ts";
import type { World } from "../world.ts";
import { nameImage } from "./name.ts";
import { type CopyOptions, readSides, type Sides, transfer } from "./transfer.ts";

export interface CopyRequest extends Sides, CopyOptions {
  readonly from: string;
  readonly to: string;
}

/** Copies an image from one place to another; the store is not touched. */
export async function copy(world: World, request: CopyRequest): Promise<void> {
  const options = { ...request, ...readSides(world, request) };
  const { tlsVerify } = options.source;
  const { image } = await nameImage(world, { image: request.from, platform: request.platform, tlsVerify });
  const [from, to] = [readReference(image), readReference(request.to)];
  const copied = await transfer(world, from, to, options);
  const names = { source: formatReference(from), destination: formatReference(to) };
  world.output.answer({ ...names, ...copied }, [`${names.destination} ${copied.digest}`]);
}
