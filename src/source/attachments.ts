import { type Digest, hexOf } from "../image/digest.ts";
import { type Descriptor, manifestLimit, parseAttachment } from "../image/manifest.ts";
import { cosignType, type ImageSignature } from "../trust/signature.ts";
import { withinLimit } from "./resolution.ts";

/** OpenPGP signatures in a layout that keelson writes: a bundle has no lookaside. */
const openPgpType = "application/vnd.keelson.signature.openpgp";

/** The tag under which cosign keeps the signatures of an image. */
export function signatureTag(digest: Digest): string {
  return `sha256-${hexOf(digest)}.sig`;
}

/** Whether a name in a layout is that of something attached to an image, and not an image. */
export function isAttachmentTag(name: string | undefined): boolean {
  return name !== undefined && /^sha256-[0-9a-f]{64}\.(?:sig|att|sbom)$/.test(name);
}

/** The signatures of a manifest in cosign's form; what else is attached is passed over. `readBlob` checks what it reads. */
export async function signaturesIn(
  manifest: Uint8Array,
  name: string,
  readBlob: (blob: Descriptor) => Promise<Uint8Array>,
): Promise<readonly ImageSignature[]> {
  const found: ImageSignature[] = [];
  for (const layer of parseAttachment(manifest, name).layers) {
    const { mediaType, annotations } = layer;
    if (mediaType !== cosignType && mediaType !== openPgpType) continue;
    const bytes = await readBlob(withinLimit(layer, name));
    found.push(
      mediaType === cosignType ? { kind: "sigstore", payload: bytes, annotations } : { kind: "openpgp", bytes },
    );
  }
  return found;
}

/** Whether an entry of a layout's index can be an attachment at all. */
export function mayBeAttachment({ mediaType, size }: Descriptor): boolean {
  return mediaType === "application/vnd.oci.image.manifest.v1+json" && size <= manifestLimit;
}
