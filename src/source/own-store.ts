import { KeelsonError, printable } from "../errors.ts";
import { convertManifest, formatOf, type NewLayer } from "../image/convert.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import type { JsonObject } from "../image/json.ts";
import { noLimits } from "../image/limits.ts";
import { manifestTypes } from "../image/manifest.ts";
import type { Platform } from "../image/platform.ts";
import { formatReference, type StoreReference } from "../image/reference.ts";
import { openNameless } from "./archive.ts";
import { spool } from "./docker-save-destination.ts";
import { readRange, unreadable } from "./file-set.ts";
import { listed } from "./listed.ts";
import type { OwnStore } from "./options.ts";
import { imageOf } from "./resolution.ts";
import type { ImageSource, SourceImage } from "./source.ts";

/**
 * An image of the store itself, to be installed without asking anybody. Its documents are those that came in, byte for byte;
 * its layers are the store's already, and have no blobs any more: see repackImage.
 */
export function openOwnStore(reference: StoreReference, store: OwnStore): ImageSource {
  const name = formatReference(reference);
  const found = (): { readonly manifestBytes: Uint8Array; readonly configBytes: Uint8Array } => {
    const image = store.find(reference);
    if (image !== undefined) return image;
    throw new KeelsonError(
      "E_NOT_FOUND",
      `${printable(name)}: the store has no such image; it has ${listed(store.names())}`,
      {
        hint: "keelson pull brings an image into the store, keelson images lists what is there.",
      },
    );
  };
  const readManifest: ImageSource["readManifest"] = async ({ digest }) => {
    throw unreadable(name, `it has no manifest ${digest}`);
  };
  return {
    resolve: async (platform) => {
      const { manifestBytes: bytes, configBytes } = found();
      return imageOf(
        { bytes, mediaType: undefined },
        { name, limits: noLimits, readManifest, readConfig: async () => configBytes },
        platform,
      );
    },
    readTop: async () => ({ bytes: found().manifestBytes, mediaType: undefined }),
    readManifest,
    openBlob: async (blob) => {
      const { configBytes } = found();
      if (digestOf(configBytes) === blob.digest) return only(configBytes);
      throw new KeelsonError("E_STORE", `${printable(name)}: the store has lost the layer ${blob.digest}`, {
        hint: "keelson verify --repair brings it back, or keelson pull under the name that it came by.",
      });
    },
    close: async () => undefined,
  };
}

/** An image whose layers had to be packed anew. */
export interface RepackedImage {
  /** Of the image as it came into the store. */
  readonly original: Digest;
  readonly source: ImageSource;
}

/**
 * The image of `source` with layers as `readTar` gives them, in nameless files of `cacheDirectory`: uncompressed, named in a
 * configuration and manifest that say the same otherwise. Of an image that was packed so before nothing changes but that.
 */
export async function repackImage(
  source: ImageSource,
  platform: Platform,
  { readTar }: Pick<OwnStore, "readTar">,
  cacheDirectory: string,
): Promise<RepackedImage> {
  const image = await source.resolve(platform);
  const blobs = new Map<Digest, () => AsyncIterable<Uint8Array>>();
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0)) await one();
  };
  try {
    const replaced = new Map<Digest, NewLayer>();
    for (const [at, layer] of image.manifest.layers.entries()) {
      if (replaced.has(layer.digest)) continue;
      const file = await openNameless(cacheDirectory);
      closing.push(() => file.close());
      const { hex, size } = await spool(readTar(image.config.diffIds.slice(0, at + 1)), file);
      replaced.set(layer.digest, { digest: `sha256:${hex}`, size, compression: "none" });
      blobs.set(`sha256:${hex}`, () => readRange(file, 0, size, layer.digest));
    }
    const { manifestBytes, configBytes } = documentsWith(image, replaced);
    blobs.set(digestOf(configBytes), () => only(configBytes));
    const store: OwnStore = { find: () => ({ manifestBytes, configBytes }), names: () => [], readTar };
    const openBlob: ImageSource["openBlob"] = async ({ digest }) => {
      const open = blobs.get(digest);
      if (open === undefined) throw new Error(`no blob ${digest}`);
      return open();
    };
    const repacked = openOwnStore({ kind: "ostree", digest: image.digest }, store);
    return { original: image.digest, source: { ...repacked, openBlob, close } };
  } catch (error) {
    await close();
    throw error;
  }
}

function documentsWith(
  image: SourceImage,
  replaced: ReadonlyMap<Digest, NewLayer>,
): { readonly manifestBytes: Uint8Array; readonly configBytes: Uint8Array } {
  const { manifest, manifestBytes, config, configBytes } = image;
  const diffIds = manifest.layers.map(({ digest }) => replaced.get(digest)?.digest);
  const format = formatOf(manifest);
  const next = convertManifest(manifestBytes, manifest, format, replaced).bytes;
  if (diffIds.every((diffId, at) => diffId === config.diffIds[at])) return { manifestBytes: next, configBytes };
  const document: JsonObject = JSON.parse(Buffer.from(configBytes).toString("utf8"));
  const newConfig = Buffer.from(JSON.stringify({ ...document, rootfs: { ...document.rootfs, diff_ids: diffIds } }));
  const written: JsonObject = JSON.parse(Buffer.from(next).toString("utf8"));
  const described = { ...written.config, digest: digestOf(newConfig), size: newConfig.length };
  const mediaType = manifestTypes[format === "oci" ? 0 : 1];
  return {
    manifestBytes: Buffer.from(JSON.stringify({ ...written, mediaType, config: described })),
    configBytes: newConfig,
  };
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
