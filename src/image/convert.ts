import { KeelsonError } from "../errors.ts";
import { type Digest, digestOf } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import {
  type Compression,
  type Descriptor,
  type Index,
  indexTypes,
  layerCompression,
  type Manifest,
  manifestTypes,
} from "./manifest.ts";

/** The kinds of manifest by the names skopeo gives them: OCI's, and Docker's schema 2. */
export type ManifestFormat = "oci" | "v2s2";

/** A manifest or index as it is to be written. */
export interface WrittenManifest extends Pick<Descriptor, "digest" | "size" | "mediaType"> {
  readonly bytes: Uint8Array;
}

/** A layer that was compressed anew. */
export interface NewLayer extends Pick<Descriptor, "digest" | "size"> {
  readonly compression: Compression;
}

const configTypes = {
  oci: "application/vnd.oci.image.config.v1+json",
  v2s2: "application/vnd.docker.container.image.v1+json",
} as const;
const place = { oci: 0, v2s2: 1 } as const;

export function formatOf(document: Manifest | Index): ManifestFormat {
  return document.mediaType.startsWith("application/vnd.oci.") ? "oci" : "v2s2";
}

/** Bytes that are written as they are. */
function asWritten(bytes: Uint8Array, mediaType: string): WrittenManifest {
  return { bytes, digest: digestOf(bytes), size: bytes.length, mediaType };
}

/**
 * `manifest`, read from `bytes`, in another format and with the layers of `replaced` in place of those of these digests;
 * the same bytes where nothing changes. The configuration's bytes are valid in both formats and stay, so the image's id does:
 * https://github.com/opencontainers/image-spec/blob/main/media-types.md#compatibility-matrix. Docker's format has no
 * annotations: they are lost. Throws E_MANIFEST for what the format cannot hold.
 */
export function convertManifest(
  bytes: Uint8Array,
  manifest: Manifest,
  format: ManifestFormat,
  replaced: ReadonlyMap<Digest, NewLayer>,
): WrittenManifest {
  if (format === formatOf(manifest) && replaced.size === 0) return asWritten(bytes, manifest.mediaType);
  const before: JsonObject = JSON.parse(Buffer.from(bytes).toString("utf8"));
  const kept = format === "oci" && formatOf(manifest) === "oci" ? before : {};
  const known = Object.values<string>(configTypes).includes(manifest.config.mediaType);
  const config = described(before.config, format, known ? configTypes[format] : manifest.config.mediaType, undefined);
  const layers = manifest.layers.map((layer, at) => {
    const next = replaced.get(layer.digest);
    const type = layerType(layer, next?.compression ?? layerCompression(layer), format);
    return described(before.layers[at], format, type, next);
  });
  const mediaType = manifestTypes[place[format]];
  return written({ ...kept, schemaVersion: 2, mediaType, config, layers }, mediaType);
}

/** `index`, read from `bytes`, in another format and with its entries pointing at what their images became. */
export function convertIndex(
  bytes: Uint8Array,
  index: Index,
  format: ManifestFormat,
  members: ReadonlyMap<Digest, WrittenManifest>,
): WrittenManifest {
  const same = [...members].every(([digest, member]) => member.digest === digest);
  if (format === formatOf(index) && same) return asWritten(bytes, index.mediaType);
  const before: JsonObject = JSON.parse(Buffer.from(bytes).toString("utf8"));
  const kept = format === "oci" && formatOf(index) === "oci" ? before : {};
  const manifests = index.manifests.map((entry, at) => {
    const member = members.get(entry.digest);
    const { platform } = before.manifests[at];
    const row = described(before.manifests[at], format, member?.mediaType ?? entry.mediaType, member);
    return platform === undefined ? row : { ...row, platform };
  });
  const mediaType = indexTypes[place[format]];
  return written({ ...kept, schemaVersion: 2, mediaType, manifests }, mediaType);
}

function described(
  before: JsonObject,
  format: ManifestFormat,
  mediaType: string,
  next: Pick<Descriptor, "digest" | "size"> | undefined,
): JsonObject {
  const { digest, size } = next ?? (before as unknown as Descriptor);
  return format === "oci" ? { ...before, mediaType, digest, size } : { mediaType, size, digest };
}

function layerType(layer: Descriptor, compression: Compression, format: ManifestFormat): string {
  if (format === "oci") {
    const kind = layer.mediaType.includes(".nondistributable.") ? "layer.nondistributable" : "layer";
    return `application/vnd.oci.image.${kind}.v1.tar${compression === "none" ? "" : `+${compression}`}`;
  }
  if (compression !== "zstd") {
    return `application/vnd.docker.image.rootfs.diff.tar${compression === "none" ? "" : ".gzip"}`;
  }
  throw new KeelsonError(
    "E_MANIFEST",
    `${layer.digest} is compressed with zstd, which Docker's schema 2 does not know`,
    {
      hint: "Add --compress gzip, or keep the OCI format.",
    },
  );
}

function written(document: object, mediaType: string): WrittenManifest {
  return asWritten(Buffer.from(JSON.stringify(document)), mediaType);
}
