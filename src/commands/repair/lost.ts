import { errnoOf, KeelsonError } from "../../errors.ts";
import { readHolders } from "../../host/generations.ts";
import type { Digest } from "../../image/digest.ts";
import type { Descriptor } from "../../image/manifest.ts";
import { parsePlatform } from "../../image/platform.ts";
import { parseReference, type Reference, shortDigest } from "../../image/reference.ts";
import type { Verified } from "../../image/verified.ts";
import type { ImageSource, SourceImage } from "../../source/source.ts";
import type { NewList } from "../../store/change-list.ts";
import { readDocuments, readStoredDocument } from "../../store/documents.ts";
import { type ImageIdentity, readImages } from "../../store/images.ts";
import type { Repository } from "../../store/repository.ts";
import type { StorePaths } from "../../store/store.ts";
import { unpack } from "../../store/unpack.ts";
import type { World } from "../../world.ts";
import { readLayer } from "../offer.ts";
import { platformOf } from "../pull.ts";

/** An image that the store or a deployment knows, and where it came from. */
export interface KnownImage extends ImageIdentity {
  /** As they were written; none for an image that has lost its name and that nothing was installed from. */
  readonly references: readonly string[];
  /** As `os/architecture`; absent when nothing was installed from it. */
  readonly platform?: string;
  /** What the policy said of it, as the list of images or a deployment has it. */
  readonly verified?: Verified;
}

/** A layer that several images may have, each somewhere else. */
export interface LostLayer {
  readonly diffId: Digest;
  readonly size: number;
  readonly places: readonly { readonly image: KnownImage; readonly layer: Descriptor }[];
}

/** What was fetched, and the reference it came from. */
interface Fetched<T> {
  readonly value: T;
  readonly from: string;
}

/** Every image of the list of images and of the deployments, once. */
export function knownImages(paths: StorePaths): readonly KnownImage[] {
  const known = new Map<Digest, KnownImage>();
  const add = (
    image: ImageIdentity & { readonly verified?: Verified },
    reference: string | undefined,
    platform?: string,
  ): void => {
    const { digest, id, commit } = image;
    const before = known.get(digest);
    // What has no name is called by its digest; that says nothing of where it is.
    const named = reference === undefined || reference.startsWith("sha256:") ? [] : [reference];
    const references = [...new Set([...(before?.references ?? []), ...named])];
    const of = platform ?? before?.platform;
    const verified = image.verified ?? before?.verified;
    known.set(digest, {
      ...{ digest, id, commit, references },
      ...(of === undefined ? {} : { platform: of }),
      ...(verified === undefined ? {} : { verified }),
    });
  };
  for (const image of readImages(paths.images)) add(image, image.reference);
  for (const { deployment } of readHolders(paths.deployments))
    add(deployment.image, deployment.image.reference, deployment.image.platform);
  return [...known.values()];
}

/** The layers of all images whose documents are whole. */
export function knownLayers(paths: StorePaths, images: readonly KnownImage[]): readonly LostLayer[] {
  const layers = new Map<Digest, LostLayer>();
  for (const image of images) {
    if ([image.digest, image.id].some((digest) => readStoredDocument(paths.images, digest) === undefined)) continue;
    const { manifest, config } = readDocuments(paths.images, image);
    for (const [index, layer] of manifest.layers.entries()) {
      const diffId = config.diffIds[index];
      if (diffId === undefined) throw new Error("a layer without a diff id");
      const before = layers.get(diffId);
      const places = [...(before?.places ?? []), { image, layer }];
      layers.set(diffId, { diffId, size: before?.size ?? layer.size, places });
    }
  }
  return [...layers.values()];
}

/** The documents of exactly this image, from wherever it came from. Throws what the last source that was asked throws. */
export function fetchDocuments(world: World, image: KnownImage, tlsVerify: boolean): Promise<Fetched<SourceImage>> {
  const stored = (digest: Digest): Buffer | undefined => readStoredDocument(world.paths.images, digest);
  const platform = image.platform === undefined ? platformOf(undefined) : parsePlatform(image.platform);
  return fromAny(world, [image], tlsVerify, async (source, name) => {
    const offered = await source.resolve(platform, stored);
    if (offered.digest === image.digest) return offered;
    throw new KeelsonError("E_SOURCE", `${name} is another image now: ${offered.digest}`, {
      hint: "Put the image of then there again.",
    });
  });
}

/**
 * Unpacks one layer into the repository's staging area, where nothing else may be; what is there already is not written
 * again. Of a layer that cannot be read to its end nothing is staged.
 */
export async function fetchLayer(
  world: World,
  lost: LostLayer,
  repository: Repository,
  tlsVerify: boolean,
): Promise<Fetched<NewList>> {
  const { headerSize, layerEntries, layerSize } = world.settings;
  const layerOf = new Map(lost.places.map(({ image, layer }) => [image, layer]));
  const { value } = await fromAny(world, [...layerOf.keys()], tlsVerify, async (source, name, image) => {
    const layer = layerOf.get(image);
    if (layer === undefined) throw new Error(`${name} has no layer ${lost.diffId}`);
    const from = `layer ${shortDigest(layer.digest)} of ${name}`;
    try {
      const list = await readLayer(
        world,
        source,
        { layer, diffId: lost.diffId, label: from, stop: world.signal },
        (open) => unpack(open(), repository, { entries: layerEntries, bytes: layerSize, header: headerSize }),
      );
      return { value: list, from };
    } catch (error) {
      repository.discard();
      throw error;
    }
  });
  return value;
}

/** Asks the places that these images came from, one after the other, until one serves. */
async function fromAny<T>(
  world: World,
  images: readonly KnownImage[],
  tlsVerify: boolean,
  fetch: (source: ImageSource, name: string, image: KnownImage) => Promise<T>,
): Promise<Fetched<T>> {
  let failure: unknown = new KeelsonError("E_SOURCE", "nobody knows where the image came from", {
    hint: "Pull it again by a name.",
  });
  for (const image of images) {
    for (const reference of image.references) {
      const source = world.source(pinned(parseReference(reference), image.digest), tlsVerify);
      try {
        return { value: await fetch(source, reference, image), from: reference };
      } catch (error) {
        world.signal.throwIfAborted();
        if (!(error instanceof KeelsonError) && errnoOf(error) === undefined) throw error;
        failure = error;
      } finally {
        await source.close();
      }
    }
  }
  throw failure;
}

/** The same by its digest, as a tag may have moved on. */
function pinned(reference: Reference, digest: Digest): Reference {
  if (reference.kind !== "registry") return reference;
  const { kind, host, repository } = reference;
  return { kind, host, repository, digest };
}
