import { readFileSync } from "node:fs";
import { KeelsonError } from "../errors.ts";
import type { DeploymentSource } from "../host/deployments.ts";
import { transact } from "../host/transaction.ts";
import type { ImageConfig } from "../image/config.ts";
import type { Digest } from "../image/digest.ts";
import { hostPlatform, type Platform, parsePlatform } from "../image/platform.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import type { Verified } from "../image/verified.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import type { HostChange } from "../plan/change.ts";
import { textState } from "../plan/file-state.ts";
import type { Fetch } from "../plan/preview.ts";
import type { SourceImage } from "../source/source.ts";
import type { Subject } from "../source/trust.ts";
import { readDocuments, readStoredDocument } from "../store/documents.ts";
import type { ReadFile } from "../store/exports.ts";
import { readReference } from "../store/find-images.ts";
import { ownName } from "../store/image-store.ts";
import { type ImageEdit, planIndex, readImages, type StoredImage } from "../store/images.ts";
import { openRepository } from "../store/repository.ts";
import { type ImageStage, openStage } from "../store/stage.ts";
import { readObject, readWholeTree } from "../store/store.ts";
import { asWriter, transactionHost, type World } from "../world.ts";
import { type NameRequest, nameImage } from "./name.ts";
import { addLayers, type Offer } from "./offer.ts";

export type PullRequest = NameRequest;

/** An image at hand: in the store already, or staged for it. */
export interface ImageAtHand {
  readonly image: StoredImage;
  readonly config: ImageConfig;
  readonly tree: DirectoryNode;
  readonly readFile: ReadFile;
  /** What had to be fetched. */
  readonly fetched: Fetch;
  /** Absent when the image came out of the store. */
  readonly stage?: ImageStage;
  /** What is to be noted of it in the list of images, once publish() has been called: see planNames. */
  readonly edits: readonly ImageEdit[];
  /** Puts a staged image into the store, without its name yet. */
  publish(): void;
}

/** What a deployment of the image is made of. */
export function deploymentSource(world: World, { tree, stage, publish }: ImageAtHand): DeploymentSource {
  return { tree, repository: stage?.repository ?? openRepository(world.paths.repository), publish };
}

/** Brings an image into the store and keeps it there; only what the store lacks is fetched. */
export async function pull(world: World, request: PullRequest): Promise<void> {
  const named = await nameImage(world, request);
  await asWriter(world, "pull", async () => {
    const image = await fetchImage(world, { ...request, image: named.image }, { kept: true });
    const { reference, digest, id } = image.image;
    try {
      image.publish();
      const record = { schema: 1, verb: "pull", name: reference ?? digest, direction: "back" } as const;
      await transact({ ...record, changes: planNames(world, [image]) }, transactionHost(world));
    } finally {
      image.stage?.discard();
    }
    await named.remember();
    world.output.answer({ reference, digest, id }, [`${reference} ${digest}`]);
  });
}

/** The image of a reference as the store has it, whole; undefined when it lacks anything, or the platform is another. */
function storedImage(world: World, reference: Reference, platform: Platform): ImageAtHand | undefined {
  const name = formatReference(reference);
  const image = readImages(world.paths.images).find((stored) => stored.reference === name);
  if (image === undefined) return undefined;
  const { config } = readDocuments(world.paths.images, image);
  const tree = readWholeTree(world.paths, image);
  if (
    tree === undefined ||
    config.platform.os !== platform.os ||
    config.platform.architecture !== platform.architecture
  )
    return undefined;
  const fetched = { bytes: 0, layers: 0, ofLayers: config.diffIds.length };
  const readFile: ReadFile = (file) => readObject(world.paths, file.object);
  return { image, config, tree, fetched, readFile, edits: [], publish: () => {} };
}

/**
 * storedImage, once the policy has let it in: again, where it is another policy than the one that let it into the store. Nobody
 * is asked for signatures when `offline`.
 */
export async function trustedImage(
  world: World,
  request: PullRequest,
  offline = false,
): Promise<ImageAtHand | undefined> {
  const reference = readReference(request.image);
  const stored = storedImage(world, reference, platformOf(request.platform));
  if (stored === undefined) return undefined;
  const { tlsVerify } = request;
  const { digest, verified } = stored.image;
  const asked = { ...askedAbout(world, reference, digest, verified), tlsVerify };
  const image = { ...stored.image, verified: await world.judge({ ...asked, offline: offline || asked.offline }) };
  return { ...stored, image, edits: [{ kind: "verdict", image }] };
}

/** What the policy says of an image that is offered; nothing of it but its documents has been read. */
export async function judgeOffer(world: World, offer: Offer): Promise<Verified> {
  const { reference, source, tlsVerify, bundle: archive } = offer;
  const { digest } = offer.offered;
  const before = storedUnder(world, reference, digest)?.verified;
  return world.judge({ ...askedAbout(world, reference, digest, before), tlsVerify, source, archive });
}

/** An image that comes out of the store is judged under the name that it came in by, and nobody is asked for signatures. */
function askedAbout(
  world: World,
  reference: Reference,
  digest: Digest,
  before: Verified | undefined,
): Pick<Subject, "reference" | "digest" | "before"> & { readonly offline: boolean } {
  if (reference.kind !== "ostree") return { reference, digest, before, offline: false };
  const own = ownName(world.paths.images, reference);
  return { reference: own, digest, before: storedUnder(world, own, digest)?.verified ?? before, offline: true };
}

/** The image of that reference and digest as the store lists it. */
export function storedUnder(world: World, reference: Reference, digest: Digest): StoredImage | undefined {
  const name = formatReference(reference);
  return readImages(world.paths.images).find((image) => image.reference === name && image.digest === digest);
}

export interface StageOptions {
  /** Keep the image when no container uses it. */
  readonly kept: boolean;
  /** Stage in a new directory below this one, and leave the store as it is. */
  readonly scratch?: string;
}

/** Asks what a reference names now: one request where the image is in the store. stageImage or the caller closes the offer. */
export async function seekImage(world: World, request: PullRequest): Promise<Offer> {
  const reference = readReference(request.image);
  const { bundle, tlsVerify } = request;
  const wanted = request.digest ?? (reference.kind === "registry" ? reference.digest : undefined);
  const source = world.source(bundle ?? exactly(reference, wanted), tlsVerify);
  const stored = (digest: Digest): Buffer | undefined => readStoredDocument(world.paths.images, digest);
  try {
    const offered = await source.resolve(platformOf(request.platform), stored);
    // A registry has been asked by digest, which may be that of an index.
    const named = bundle === undefined && reference.kind === "registry";
    if (!named && wanted !== undefined && offered.digest !== wanted)
      throw misnamed(bundle ?? reference, offered, wanted);
    return { reference, source, offered, tlsVerify, bundle };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function exactly(reference: Reference, digest: Digest | undefined): Reference {
  if (reference.kind !== "registry" || digest === undefined) return reference;
  const { kind, host, repository } = reference;
  return { kind, host, repository, digest };
}

/** A registry is asked by digest; in an archive the name of an image says nothing of its bytes. */
function misnamed(source: Reference, { digest }: SourceImage, wanted: Digest): KeelsonError {
  return new KeelsonError("E_DIGEST", `${formatReference(source)} has the digest ${digest}, not ${wanted}`, {
    hint: "It is another image than the one that was asked for; make the bundle again, or lock the stack anew.",
  });
}

/** Fetches and stages what a reference names now. */
export async function fetchImage(world: World, request: PullRequest, options: StageOptions): Promise<ImageAtHand> {
  return stageImage(world, await seekImage(world, request), options);
}

/** Asks the policy, fetches what the store lacks of an image that is offered, and stages it. */
export async function stageImage(world: World, offer: Offer, options: StageOptions): Promise<ImageAtHand> {
  try {
    return await stageVerified(world, offer, await judgeOffer(world, offer), options);
  } finally {
    await offer.source.close();
  }
}

async function stageVerified(
  world: World,
  offer: Offer,
  verified: Verified,
  options: StageOptions,
): Promise<ImageAtHand> {
  const { reference, offered } = offer;
  const { headerSize, layerEntries, layerSize } = world.settings;
  const stage = openStage(
    world.paths,
    { entries: layerEntries, bytes: layerSize, header: headerSize },
    options.scratch,
  );
  try {
    const fetched = await addLayers(world, offer, stage);
    const image = { ...storedAs(world, reference, offered, stage, options.kept), verified };
    return {
      image,
      config: offered.config,
      tree: stage.tree(),
      fetched,
      readFile: (file) => readFileSync(stage.repository.locate(file.object, "file")),
      stage,
      edits: [{ kind: "name", image }],
      publish: () => stage.publish(image, offered.manifestBytes, offered.configBytes),
    };
  } catch (error) {
    stage.discard();
    throw error;
  }
}

/** The platform asked for, or this host's. */
export function platformOf(text: string | undefined): Platform {
  return text === undefined ? hostPlatform(process.arch) : parsePlatform(text);
}

/** What gives images their names when all of them are published, as changes of the host; none when the list stays as it is. */
export function planNames(world: World, images: readonly ImageAtHand[]): readonly HostChange[] {
  const edits = images.flatMap((image) => image.edits);
  if (edits.length === 0) return [];
  const { path, mode, from, to } = planIndex(world.paths.images, edits);
  if (from === to) return [];
  return [{ kind: "file", path: world.root.pathOf(path), from: textState(from, mode), to: textState(to, mode) }];
}

function storedAs(
  world: World,
  reference: Reference,
  offered: SourceImage,
  stage: ImageStage,
  kept: boolean,
): StoredImage {
  const name = formatReference(reference);
  const before = readImages(world.paths.images).find((image) => image.reference === name);
  return {
    reference: name,
    digest: offered.digest,
    id: offered.manifest.config.digest,
    commit: stage.commit(offered.digest, offered.config),
    pulled: world.now().toISOString(),
    kept: kept || before?.kept === true,
  };
}
