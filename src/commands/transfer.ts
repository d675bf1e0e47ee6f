import { KeelsonError } from "../errors.ts";
import type { ManifestFormat } from "../image/convert.ts";
import type { Digest } from "../image/digest.ts";
import { hostPlatform, type Platform, parsePlatform } from "../image/platform.ts";
import { formatReference, type Reference, shortDigest } from "../image/reference.ts";
import { type Copied, copyImage } from "../source/copy.ts";
import type { Credentials } from "../source/credential-helper.ts";
import { openSource } from "../source/open.ts";
import { openDestination } from "../source/open-destination.ts";
import type { SourceOptions } from "../source/options.ts";
import { ownEndpoint } from "../source/own-endpoint.ts";
import { repackImage } from "../source/own-store.ts";
import type { ImageSource } from "../source/source.ts";
import { findSignatures } from "../source/trust.ts";
import type { World } from "../world.ts";

/** How images are copied, as the command line says it. */
export interface CopyOptions {
  readonly all: boolean;
  readonly format?: ManifestFormat | undefined;
  readonly compress?: "gzip" | "zstd" | undefined;
  readonly platform?: string | undefined;
  /** Leave signatures behind. */
  readonly removeSignatures: boolean;
  /** Do not ask the policy. */
  readonly insecurePolicy: boolean;
}

export interface TransferOptions extends CopyOptions {
  readonly source: SourceOptions;
  readonly destination: SourceOptions;
}

/** What the command line says of the two places of a copy. */
export interface Sides {
  readonly tlsVerify: boolean;
  readonly srcTlsVerify?: boolean | undefined;
  readonly destTlsVerify?: boolean | undefined;
  /** `USER[:PASSWORD]` */
  readonly srcCreds?: string | undefined;
  readonly destCreds?: string | undefined;
}

/** Throws E_USAGE for credentials without a user. */
export function readSides(world: World, sides: Sides): Pick<TransferOptions, "source" | "destination"> {
  const optionsOf = (tlsVerify = sides.tlsVerify, creds?: string): SourceOptions => ({
    ...world.sourceOptions(tlsVerify),
    ...(creds === undefined ? {} : { credentials: parseCredentials(creds) }),
  });
  return {
    source: optionsOf(sides.srcTlsVerify, sides.srcCreds),
    destination: optionsOf(sides.destTlsVerify, sides.destCreds),
  };
}

/** Copies an image with its signatures, once the policy has let it in; the store is not touched. */
export async function transfer(
  world: World,
  from: Reference,
  to: Reference,
  options: TransferOptions,
): Promise<Copied> {
  const platform = options.platform === undefined ? hostPlatform(process.arch) : parsePlatform(options.platform);
  const { source, original } = await openCopied(from, options.source, platform);
  try {
    if (original !== undefined) await trusted(world, from, source, options).admit?.(original);
    const destination = await openDestination(to, options.destination);
    try {
      const done = await copyImage(source, destination, {
        name: formatReference(from),
        limits: world.settings.documentLimits,
        platform,
        all: options.all,
        format: options.format,
        compress: options.compress,
        // What is said of an image is not said of one with other layers.
        ...(original === undefined ? trusted(world, from, source, options) : {}),
        from: await placeOf(from, options.source),
        cacheDirectory: options.destination.cacheDirectory,
        signal: world.signal,
        begin: (blob, size) => world.output.progress(`blob ${shortDigest(blob)}`, size),
      });
      const copied = { ...done, sourceDigest: original ?? done.sourceDigest };
      if (copied.sourceDigest !== copied.digest && options.format === undefined && options.compress === undefined) {
        const what = original === undefined ? "another digest" : "layers of its own, another id and another digest";
        world.output.message(
          `${formatReference(from)} keeps layers unpacked: the copy of ${copied.sourceDigest} has ${what}`,
        );
      }
      if (copied.left > 0)
        world.output.warn(`${copied.left} signatures of ${formatReference(from)} have no place there`);
      return copied;
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
}

/** The source of a copy. Layers of the store have to be packed anew; then `original` is the image's own digest. */
async function openCopied(
  from: Reference,
  options: SourceOptions,
  platform: Platform,
): Promise<{ readonly source: ImageSource; readonly original?: Digest }> {
  const source = openSource(from, options);
  if (from.kind !== "ostree" || options.store === undefined) return { source };
  return repackImage(source, platform, options.store, options.cacheDirectory);
}

function trusted(world: World, reference: Reference, source: ImageSource, options: TransferOptions) {
  const { tlsVerify } = options.source;
  const admit = async (digest: Digest): Promise<void> => {
    await world.judge({ reference, digest, tlsVerify, source });
  };
  const signatures = (digest: Digest) =>
    findSignatures(reference, digest, source, world.trustPlaces, options.source, true);
  return {
    admit: options.insecurePolicy ? undefined : admit,
    signatures: options.removeSignatures ? undefined : signatures,
  };
}

/** The repository that blobs may be taken over from. */
async function placeOf(from: Reference, options: SourceOptions): Promise<string | undefined> {
  if (from.kind !== "registry") return undefined;
  const { reference } = await ownEndpoint(from, options);
  return `${reference.host}/${reference.repository}`;
}

/** The password is not repeated in the error. */
function parseCredentials(text: string): Credentials {
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  if (user !== "") return { user, password: colon < 0 ? "" : text.slice(colon + 1) };
  throw new KeelsonError("E_USAGE", "the credentials name no user", { hint: "Write USER:PASSWORD." });
}
