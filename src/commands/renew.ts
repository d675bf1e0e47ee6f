import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";
import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import { recordVerified } from "../store/images.ts";
import type { World } from "../world.ts";
import type { NameRequest } from "./name.ts";
import { type ImageAtHand, judgeOffer, seekImage, stageImage, storedUnder, trustedImage } from "./pull.ts";

/** What image a container is to have. */
interface Wanted extends NameRequest {
  /** Absent for one that is not installed. */
  readonly from?: Deployment | undefined;
  /** Only another image makes a difference to what is installed. */
  readonly same: boolean;
  /** Take the image as the store has it. */
  readonly offline: boolean;
}

/**
 * The image to go over to, asked for where it comes from unless it may be the store's; undefined when there is nothing to do.
 * Given
 * `scratch`, it is staged there and the store is only read.
 */
export async function imageFor(world: World, wanted: Wanted, scratch?: string): Promise<ImageAtHand | undefined> {
  const stored = await storedFor(world, wanted);
  if (stored !== undefined)
    return isUnchanged(wanted, stored.image.reference, stored.image.digest) ? undefined : stored;
  const offer = await seekImage(world, wanted);
  if (!isUnchanged(wanted, formatReference(offer.reference), offer.offered.digest)) {
    return stageImage(world, offer, { kept: false, ...(scratch === undefined ? {} : { scratch }) });
  }
  const verified = await judgeOffer(world, offer).finally(() => offer.source.close());
  const known = storedUnder(world, offer.reference, offer.offered.digest);
  if (known !== undefined && scratch === undefined) recordVerified(world.paths.images, { ...known, verified });
  return undefined;
}

function isUnchanged({ from, same }: Wanted, reference: string | undefined, digest: Digest): boolean {
  return same && digest === from?.image.digest && (reference ?? digest) === from.image.reference;
}

/** What the store has serves when nobody may be asked, or when it is the very image that is wanted. */
async function storedFor(world: World, wanted: Wanted): Promise<ImageAtHand | undefined> {
  const { offline, digest, bundle, image } = wanted;
  if (!offline && (digest === undefined || bundle !== undefined)) return undefined;
  const stored = await trustedImage(world, wanted, offline);
  if (stored !== undefined && (digest === undefined || stored.image.digest === digest)) return stored;
  if (!offline) return undefined;
  const what = stored === undefined ? "is not in the store" : `is ${stored.image.digest} in the store, not ${digest}`;
  throw new KeelsonError("E_NOT_FOUND", `${shownPath(image)} ${what}`, { hint: "Pull it, or leave out --offline." });
}
