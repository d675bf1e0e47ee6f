import { KeelsonError, printable } from "../errors.ts";
import { type ImageConfig, parseImageConfig } from "../image/config.ts";
import { digestOf } from "../image/digest.ts";
import { beyondLimit, type DocumentLimits } from "../image/limits.ts";
import { choosePlatform, type Descriptor, type Manifest, parseManifest } from "../image/manifest.ts";
import { formatPlatform, type Platform, platformRank } from "../image/platform.ts";
import type { SourceImage, StoredDocument, TopDocument } from "./source.ts";

/** Where the documents of one image are read. Both check digest and size, and read no more bytes than the limits allow. */
export interface Documents {
  /** How messages call the image. */
  readonly name: string;
  readonly limits: DocumentLimits;
  readManifest(descriptor: Descriptor): Promise<Uint8Array>;
  readConfig(descriptor: Descriptor): Promise<Uint8Array>;
}

/**
 * Follows `top` through indexes to the image for `platform`, as deep as the limits allow. An image that no index offers by
 * platform must itself be for it. What `stored` has is not read. Throws E_MANIFEST, E_PLATFORM, E_LIMIT, and what `documents`
 * throws.
 */
export async function imageOf(
  top: TopDocument,
  fetched: Documents,
  platform: Platform,
  stored: StoredDocument = () => undefined,
): Promise<SourceImage> {
  const documents = preferring(stored, fetched);
  const { name, limits } = documents;
  let { bytes, mediaType } = top;
  let offered = false;
  for (let depth = 0; depth <= limits.depth; depth++) {
    const document = parseManifest(bytes, mediaType, name, limits);
    if (document.kind === "manifest") {
      const { config, configBytes } = await readConfig(document, documents);
      if (!offered) checkPlatform(config.platform, platform, name);
      return { digest: digestOf(bytes), manifest: document, manifestBytes: bytes, config, configBytes };
    }
    const entry = choosePlatform(document, platform, name);
    offered = entry.platform !== undefined;
    mediaType = entry.mediaType;
    bytes = await documents.readManifest(withinLimit(entry, documents));
  }
  throw tooDeep(documents);
}

function preferring(stored: StoredDocument, { readManifest, readConfig, ...rest }: Documents): Documents {
  return {
    ...rest,
    readManifest: async (descriptor) => stored(descriptor.digest) ?? (await readManifest(descriptor)),
    readConfig: async (descriptor) => stored(descriptor.digest) ?? (await readConfig(descriptor)),
  };
}

/** `descriptor`, unless the document it describes is too large to be read (E_LIMIT). */
export function withinLimit(descriptor: Descriptor, { name, limits }: Pick<Documents, "name" | "limits">): Descriptor {
  if (descriptor.size <= limits.bytes) return descriptor;
  throw beyondLimit(name, `${descriptor.digest} is larger than ${limits.bytes} bytes`, "bytes");
}

/** E_LIMIT for indexes that name only indexes. */
export function tooDeep({ name, limits }: Pick<Documents, "name" | "limits">): KeelsonError {
  return beyondLimit(name, `it nests indexes more than ${limits.depth} deep`, "depth");
}

async function readConfig(
  manifest: Manifest,
  documents: Documents,
): Promise<{ readonly config: ImageConfig; readonly configBytes: Uint8Array }> {
  const configBytes = await documents.readConfig(withinLimit(manifest.config, documents));
  return {
    config: parseImageConfig(configBytes, manifest.layers.length, documents.name, documents.limits),
    configBytes,
  };
}

function checkPlatform(actual: Platform, wanted: Platform, name: string): void {
  if (platformRank(wanted, actual) > 0) return;
  const is = printable(formatPlatform(actual));
  throw new KeelsonError("E_PLATFORM", `${printable(name)} is for ${is}, not for ${formatPlatform(wanted)}`, {
    hint: `Name an image for this host's platform, or ask for this one with --platform ${is}.`,
  });
}
