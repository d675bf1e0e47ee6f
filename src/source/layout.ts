import { printable } from "../errors.ts";
import { hexOf } from "../image/digest.ts";
import { isObject, parseJsonObject } from "../image/json.ts";
import { type DocumentLimits, standardLimits } from "../image/limits.ts";
import {
  type Descriptor,
  type Index,
  indexTypes,
  type PlatformDescriptor,
  parseAttachment,
  parseManifest,
} from "../image/manifest.ts";
import type { FileReference } from "../image/reference.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { isAttachmentTag, mayBeAttachment, signaturesIn, signatureTag } from "./attachments.ts";
import { type FileSet, readWhole, unreadable } from "./file-set.ts";
import { type FileForm, openFileSource } from "./file-source.ts";
import { withinLimit } from "./resolution.ts";
import type { ImageSource } from "./source.ts";

/** Under which an index names its images. */
export const nameAnnotation = "org.opencontainers.image.ref.name";

/**
 * One image of the OCI image layout in `files`, which are opened at first use.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export function openLayout(
  reference: FileReference,
  openFiles: () => Promise<FileSet>,
  limits: DocumentLimits = standardLimits,
): ImageSource {
  const form: FileForm = {
    readTop: async (files, name, readManifest) => {
      const entry = chosenEntry(await readIndex(files, name, limits), reference.tag, name);
      return { bytes: await readManifest(withinLimit(entry, { name, limits })), mediaType: entry.mediaType };
    },
    signatures: async (files, name, digest, readManifest) => {
      const found: ImageSignature[] = [];
      for (const entry of (await readIndex(files, name, limits)).manifests) {
        if (entry.digest === digest || !mayBeAttachment(entry)) continue;
        const named = entry.annotations[nameAnnotation] === signatureTag(digest);
        const bytes = await readManifest(entry);
        if (named || parseAttachment(bytes, name).subject === digest)
          found.push(...(await signaturesIn(bytes, name, readManifest)));
      }
      return found;
    },
    blobPath,
    manifestPath: blobPath,
  };
  return openFileSource(reference, openFiles, form, limits);
}

/** The names of the images in a layout, as its index has them; what has none is passed over. Throws E_SOURCE. */
export async function listNames(files: FileSet, name: string): Promise<readonly string[]> {
  const { manifests } = await readIndex(files, name, standardLimits);
  return manifests
    .map(({ annotations }) => annotations[nameAnnotation])
    .filter((named) => named !== undefined)
    .filter((named) => !isAttachmentTag(named));
}

async function readIndex(files: FileSet, name: string, limits: DocumentLimits): Promise<Index> {
  const marker = parseJsonObject(
    await readWhole(files, "oci-layout", limits.bytes),
    `${name}, oci-layout`,
    limits.bytes,
  );
  if (
    !isObject(marker) ||
    typeof marker.imageLayoutVersion !== "string" ||
    !marker.imageLayoutVersion.startsWith("1.")
  ) {
    throw unreadable(name, "its oci-layout does not say version 1");
  }
  const index = parseManifest(
    await readWhole(files, "index.json", limits.bytes),
    indexTypes[0],
    `${name}, index.json`,
    limits,
  );
  if (index.kind === "index") return index;
  throw unreadable(name, "its index.json is not an index");
}

function chosenEntry(index: Index, tag: string | undefined, name: string): PlatformDescriptor {
  const named = (entry: PlatformDescriptor): string | undefined => entry.annotations[nameAnnotation];
  const images = index.manifests.filter((entry) => !isAttachmentTag(named(entry)));
  const matching = images.filter((entry) => tag === undefined || named(entry) === tag);
  const [entry, ...others] = matching;
  if (entry !== undefined && others.length === 0) return entry;
  if (entry !== undefined && tag !== undefined) {
    throw unreadable(name, `the tag is ambiguous: ${matching.length} images are called ${tag}`);
  }
  const tags = images.map((one) => named(one) ?? one.digest).join(", ");
  if (images.length === 0) throw unreadable(name, "it holds no image");
  if (tag !== undefined) throw unreadable(name, `no image is called ${printable(tag)}; there are ${tags}`);
  throw unreadable(name, `it holds several images, choose one by its tag: ${tags}`);
}

function blobPath(descriptor: Descriptor): string {
  return `blobs/sha256/${hexOf(descriptor.digest)}`;
}
