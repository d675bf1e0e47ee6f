import { KeelsonError, printable } from "../../errors.ts";
import { readContainer, readCurrent } from "../../host/deployments.ts";
import type { StackFiles } from "../../host/stack-files.ts";
import type { Deployment } from "../../plan/deployment.ts";
import { lockedDigest } from "../../plan/lock-file.ts";
import type { StackMember } from "../../plan/stack.ts";
import type { World } from "../../world.ts";
import { type NamedImage, nameAsBundled, nameImage } from "../name.ts";
import { checkUnitFree, runsOnce, sameInput } from "../propose.ts";
import type { ImageAtHand } from "../pull.ts";
import { imageFor } from "../renew.ts";

/** Where images are taken from. */
export interface ImagesRequest {
  /** The path of an archive; nobody else is asked. */
  readonly bundle?: string | undefined;
  /** Take the images as the store has them. */
  readonly offline: boolean;
  readonly tlsVerify: boolean;
}

/** A container of a stack beside what is installed. */
export interface Found {
  readonly member: StackMember;
  readonly from: Deployment | undefined;
  readonly named: NamedImage;
  /** Absent when all is as it is to be. */
  readonly image?: ImageAtHand;
  /** Nothing that runs is another: only the record is, of which stack it belongs to. */
  readonly adopted: boolean;
}

/** Finds what each container of a stack is to have, one after the other: of layers that several share, one fetches them. */
export async function findMembers(
  world: World,
  request: ImagesRequest,
  members: readonly StackMember[],
  stack: StackFiles,
  scratch?: string,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  try {
    for (const member of members) found.push(await findMember(world, request, member, stack, scratch));
    return found;
  } catch (error) {
    discardAll(found);
    throw error;
  }
}

/** Gives up what was staged and is not in the store. */
export function discardAll(found: readonly Found[]): void {
  for (const { image } of found) image?.stage?.discard();
}

async function findMember(
  world: World,
  request: ImagesRequest,
  member: StackMember,
  { files }: StackFiles,
  scratch: string | undefined,
): Promise<Found> {
  const { bundle, offline, tlsVerify } = request;
  const { name } = member;
  const installed = readContainer(world.paths.deployments, name) !== undefined;
  if (!installed) checkUnitFree(world, name);
  const from = installed ? readCurrent(world.paths.deployments, name) : undefined;
  const file = files.find(({ path }) => path === member.stack.path);
  const digest = file && lockedDigest(name, member.image, file.lock, file.lockPath);
  const named = await (bundle === undefined
    ? nameImage(world, { image: member.image, tlsVerify })
    : nameAsBundled(world, bundle, member.image));
  const alike = from !== undefined && isAlike(world, member, from);
  const same = alike && from.stack?.path === member.stack.path;
  const platform = from?.image.platform;
  const wanted = { from, image: named.image, bundle: named.bundle, digest, same, platform, tlsVerify, offline };
  const image = await imageFor(world, wanted, scratch);
  if (image === undefined) return { member, from, named, adopted: false };
  if (runsOnce(image)) {
    image.stage?.discard();
    throw runs(member);
  }
  if (scratch === undefined) publish(image);
  const { reference, digest: found } = image.image;
  const adopted = alike && found === from.image.digest && (reference ?? found) === from.image.reference;
  return { member, from, named, image, adopted };
}

/** Of two that are staged at once, one would sweep away the other; without a name it is nothing yet. */
function publish(image: ImageAtHand): void {
  try {
    image.publish();
  } finally {
    image.stage?.discard();
  }
}

/** Whether values, overrides, dependencies and enabling are what they were. */
function isAlike(world: World, { set, stack }: StackMember, from: Deployment): boolean {
  const enabled = from.stack?.enable ?? from.service?.enabled ?? stack.enable;
  const relations = [stack.relations, from.stack?.relations].map((each) => JSON.stringify(each ?? null));
  return sameInput(world, from, set, stack) && stack.enable === enabled && relations[0] === relations[1];
}

function runs({ name, stack, image }: StackMember): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${stack.path}: ${name}: ${printable(image)} runs once and is no service`, {
    hint: "Take it out of the stack and run it with keelson install.",
  });
}
