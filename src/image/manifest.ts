import { KeelsonError, printable } from "../errors.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { isObject, type JsonObject, parseJsonObject } from "./json.ts";
import { beyondLimit, type DocumentLimits, standardLimits } from "./limits.ts";
import { formatPlatform, type Platform, platformRank } from "./platform.ts";

/** https://github.com/opencontainers/image-spec/blob/main/descriptor.md; size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PlatformDescriptor extends Descriptor {
  readonly platform?: Platform;
}

/** An OCI image manifest or a Docker schema 2 manifest. Layers lowest first. */
export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** An OCI image index or a Docker manifest list. */
export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly manifests: readonly PlatformDescriptor[];
}

export type Compression = "none" | "gzip" | "zstd";

export const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;
export const indexTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
] as const;

const layerTypes = new Map<string, Compression>([
  ["application/vnd.oci.image.layer.v1.tar", "none"],
  ["application/vnd.oci.image.layer.v1.tar+gzip", "gzip"],
  ["application/vnd.oci.image.layer.v1.tar+zstd", "zstd"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar", "none"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "gzip"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", "zstd"],
  ["application/vnd.docker.image.rootfs.diff.tar", "none"],
  ["application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip"],
  ["application/vnd.docker.image.rootfs.diff.tar.zstd", "zstd"],
]);

/**
 * Reads a manifest or an index. `declared` is the type its descriptor or Content-Type gave (undefined: none did); a
 * document that disagrees with it, or that could be read as both kinds, is refused (CVE-2021-41190). `name` is how
 * messages call it. Throws E_MANIFEST, E_LIMIT.
 */
export function parseManifest(
  bytes: Uint8Array,
  declared: string | undefined,
  name: string,
  limits: DocumentLimits = standardLimits,
): Manifest | Index {
  const document = parseDocument(bytes, name, limits);
  if (document.schemaVersion !== 2) {
    throw bad(name, `schemaVersion is ${printable(JSON.stringify(document.schemaVersion) ?? "missing")}, not 2`);
  }
  const written = document.mediaType;
  if (written !== undefined && typeof written !== "string") throw bad(name, "mediaType is not a string");
  if (written !== undefined && declared !== undefined && written !== declared) {
    throw bad(name, `it calls itself ${printable(written)} but is offered as ${printable(declared)}`);
  }
  const hasIndex = "manifests" in document;
  if (hasIndex && ("config" in document || "layers" in document)) throw bad(name, "it is both a manifest and an index");
  const mediaType = written ?? declared ?? (hasIndex ? indexTypes[0] : manifestTypes[0]);
  if ((manifestTypes as readonly string[]).includes(mediaType) && !hasIndex)
    return manifestOf(document, mediaType, name, limits);
  if ((indexTypes as readonly string[]).includes(mediaType) && hasIndex)
    return indexOf(document, mediaType, name, limits);
  throw bad(name, `its type ${printable(mediaType)} is not an image manifest or index`);
}

/** A JSON object of an image. Throws E_LIMIT, E_MANIFEST. */
export function parseDocument(bytes: Uint8Array, name: string, limits: DocumentLimits): JsonObject {
  if (bytes.length > limits.bytes) throw beyondLimit(name, `it is larger than ${limits.bytes} bytes`, "bytes");
  return parseJsonObject(bytes, name, limits.bytes);
}

/** How the bytes of a layer are compressed, by its media type alone. Throws E_MANIFEST for a type that is not a layer. */
export function layerCompression(descriptor: Descriptor): Compression {
  const compression = layerTypes.get(descriptor.mediaType);
  if (compression === undefined) {
    throw bad(descriptor.digest, `its type ${printable(descriptor.mediaType)} is not a layer that keelson can unpack`);
  }
  return compression;
}

/** The entry that serves `platform` best, the first among equals. Throws E_PLATFORM with what there is. */
export function choosePlatform(index: Index, platform: Platform, name: string): PlatformDescriptor {
  const known = new Set<string>([...manifestTypes, ...indexTypes]);
  const images = index.manifests.filter((entry) => known.has(entry.mediaType));
  let best: PlatformDescriptor | undefined;
  let bestRank = 0;
  for (const entry of images) {
    const rank = entry.platform === undefined ? 0 : platformRank(platform, entry.platform);
    if (rank > bestRank) [best, bestRank] = [entry, rank];
  }
  const only = images.length === 1 ? images[0] : undefined;
  if (best === undefined && only !== undefined && only.platform === undefined) return only;
  if (best !== undefined) return best;
  const offered = images.map((entry) => (entry.platform ? formatPlatform(entry.platform) : "unnamed"));
  throw new KeelsonError("E_PLATFORM", `${name} has no image for ${formatPlatform(platform)}`, {
    hint: `It has ${printable(offered.join(", ")) || "none"}; choose one with --platform.`,
  });
}

/** What is attached to an image: the contents of an OCI manifest that is no image itself. */
export interface Attachment {
  readonly layers: readonly Descriptor[];
  /** Of the image it belongs to, where the manifest says so. */
  readonly subject?: Digest;
}

/** Reads a manifest whatever its layers are. Throws E_MANIFEST. */
export function parseAttachment(bytes: Uint8Array, name: string): Attachment {
  const document = parseDocument(bytes, name, standardLimits);
  if (document.schemaVersion !== 2 || "manifests" in document || !Array.isArray(document.layers))
    throw bad(name, "it is not a manifest");
  checkLayers(document.layers, name, standardLimits);
  const layers = document.layers.map((layer) => descriptorOf(layer, name));
  return isObject(document.subject) ? { layers, subject: parseDigest(document.subject.digest) } : { layers };
}

/** Reads a descriptor. Throws E_MANIFEST. */
function descriptorOf(value: unknown, name: string): Descriptor {
  if (!isObject(value)) throw bad(name, "a descriptor is not an object");
  const { mediaType, size } = value;
  if (typeof mediaType !== "string") throw bad(name, "a descriptor has no mediaType");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw bad(name, `a descriptor's size is ${printable(JSON.stringify(size) ?? "missing")}`);
  }
  const annotations = isObject(value.annotations) ? value.annotations : {};
  const texts = Object.entries(annotations).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return { mediaType, size, digest: parseDigest(value.digest), annotations: Object.fromEntries(texts) };
}

function manifestOf(document: JsonObject, mediaType: string, name: string, limits: DocumentLimits): Manifest {
  if (!Array.isArray(document.layers)) throw bad(name, "layers is not a list");
  checkLayers(document.layers, name, limits);
  if (document.artifactType !== undefined && !isImageConfig(document.config)) {
    throw bad(name, `it is an artifact (${printable(String(document.artifactType))}), not an image`);
  }
  const layers = document.layers.map((layer) => descriptorOf(layer, name));
  return { kind: "manifest", mediaType, config: descriptorOf(document.config, name), layers };
}

function checkLayers(layers: readonly unknown[], name: string, limits: DocumentLimits): void {
  if (layers.length > limits.layers) throw beyondLimit(name, `it has more than ${limits.layers} layers`, "layers");
}

function isImageConfig(config: unknown): boolean {
  return isObject(config) && String(config.mediaType).startsWith("application/vnd.oci.image.config.v1");
}

function indexOf(document: JsonObject, mediaType: string, name: string, limits: DocumentLimits): Index {
  if (!Array.isArray(document.manifests)) throw bad(name, "manifests is not a list");
  if (document.manifests.length > limits.entries)
    throw beyondLimit(name, `it has more than ${limits.entries} entries`, "entries");
  const manifests = document.manifests.map((entry): PlatformDescriptor => {
    const descriptor = descriptorOf(entry, name);
    const platform: unknown = entry.platform;
    if (!isObject(platform) || typeof platform.os !== "string" || typeof platform.architecture !== "string") {
      return descriptor;
    }
    const { os, architecture, variant } = platform;
    return {
      ...descriptor,
      platform: typeof variant === "string" ? { os, architecture, variant } : { os, architecture },
    };
  });
  return { kind: "index", mediaType, manifests };
}

function bad(name: string, why: string): KeelsonError {
  return new KeelsonError("E_MANIFEST", `${printable(name)}: ${why}`, {
    hint: "The image does not follow the OCI image specification; ask its publisher, or build and push it again.",
  });
}
