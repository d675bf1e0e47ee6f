import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { KeelsonError } from "../errors.ts";
import { readContainer, readCurrent } from "../host/deployments.ts";
import type { Digest } from "../image/digest.ts";
import type { DaemonReference, StorageReference } from "../image/engine-reference.ts";
import { formatVersioned } from "../image/grammar.ts";
import {
  containerNameOf,
  formatReference,
  type OutsideReference,
  type Reference,
  shortDigest,
} from "../image/reference.ts";
import { formatSize } from "../output.ts";
import { type BundledImage, writeBundle } from "../source/bundle.ts";
import { findSignatures } from "../source/trust.ts";
import { readReference } from "../store/find-images.ts";
import type { World } from "../world.ts";
import { nameImage, qualified } from "./name.ts";
import { judgeOffer, seekImage } from "./pull.ts";

type Offer = Awaited<ReturnType<typeof seekImage>>;

export interface BundleRequest {
  /** Names of installed containers, or references. */
  readonly images: readonly string[];
  readonly output: string;
  readonly platform?: string | undefined;
  readonly insecurePolicy: boolean;
  readonly tlsVerify: boolean;
}

/**
 * Writes images with their signatures into one archive, for a host without a network; the policy is asked before a layer is
 * fetched.
 */
export async function bundle(world: World, request: BundleRequest): Promise<void> {
  const path = resolve(request.output);
  const offers: Offer[] = [];
  try {
    for (const name of request.images) offers.push(await seek(world, request, name));
    const images = new Map<string, BundledImage>();
    for (const offer of offers) {
      const image = await bundled(world, request, offer);
      const other = images.get(image.name);
      if (other !== undefined && other.image.digest !== image.image.digest) throw sameName(image.name);
      images.set(image.name, image);
    }
    const sorted = [...images.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
    await writeBundle(path, sorted, {
      signal: world.signal,
      begin: (blob, size) => world.output.progress(`blob ${shortDigest(blob)}`, size),
    });
    await answer(world, path, sorted);
  } finally {
    for (const { source } of offers) await source.close();
  }
}

async function answer(world: World, path: string, images: readonly BundledImage[]): Promise<void> {
  const { size } = await stat(path);
  const rows = images.map(({ name, image, signatures }) => ({
    reference: name,
    digest: image.digest,
    signatures: signatures.length,
  }));
  const lines = rows.map(({ reference, digest, signatures }) => `${reference} ${digest} signatures: ${signatures}`);
  world.output.answer({ bundle: path, size, images: rows }, [...lines, `wrote ${path} (${formatSize(size)})`]);
}

/** What a container runs, by its digest; else what a reference names now. */
async function seek(world: World, request: BundleRequest, name: string): Promise<Offer> {
  const { tlsVerify, platform } = request;
  if (readContainer(world.paths.deployments, name) === undefined) {
    const { image } = await nameImage(world, { image: name, platform, tlsVerify });
    return seekImage(world, { image, platform, tlsVerify });
  }
  const { image } = readCurrent(world.paths.deployments, name);
  const reference = readReference(image.reference);
  const { digest } = image;
  const exact = reference.kind === "registry" ? `${reference.host}/${reference.repository}@${digest}` : image.reference;
  const offer = await seekImage(world, { image: exact, platform: image.platform, tlsVerify });
  if (offer.offered.digest === digest) return { ...offer, reference };
  await offer.source.close();
  throw new KeelsonError("E_SOURCE", `${image.reference} is not the image any more that ${name} runs`, {
    hint: `Update ${name} first, or bring the file back.`,
  });
}

async function bundled(world: World, request: BundleRequest, offer: Offer): Promise<BundledImage> {
  const { reference, source, offered: image } = offer;
  if (reference.kind === "ostree") throw unpacked(reference);
  if (!request.insecurePolicy) await judgeOffer(world, offer);
  const options = world.sourceOptions(request.tlsVerify);
  const signatures = await findSignatures(reference, image.digest, source, world.trustPlaces, options, true);
  return { name: bundleName(reference, image.digest), source, image, signatures };
}

/** A name that skopeo takes, too. By digest it is that of the image, not that of an index it was chosen from. */
function bundleName(reference: OutsideReference, digest: Digest): string {
  if (reference.kind === "registry") {
    return reference.digest === undefined
      ? formatReference(reference)
      : `${reference.host}/${reference.repository}@${digest}`;
  }
  const tag = "path" in reference ? reference.tag : engineName(reference);
  if (tag !== undefined && qualified(tag) !== undefined) return tag;
  return `${containerNameOf(reference).replace(/[^A-Za-z0-9]+/g, "-")}:latest`;
}

/** What an engine calls it; an id is no name. */
function engineName(reference: DaemonReference | StorageReference): string | undefined {
  return "name" in reference && reference.name !== undefined ? formatVersioned(reference.name) : undefined;
}

function unpacked(reference: Reference): KeelsonError {
  return new KeelsonError("E_SOURCE", `${formatReference(reference)}: the store has no layers as they were signed`, {
    hint: "Name the image where it came from, or keelson copy it to a layout and bundle that.",
  });
}

function sameName(name: string): KeelsonError {
  return new KeelsonError("E_USAGE", `two of the images are called ${name}`, {
    hint: "Put them into two bundles.",
  });
}
