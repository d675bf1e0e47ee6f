import type { WrittenManifest } from "../image/convert.ts";
import { type Digest, digestOf, hexOf } from "../image/digest.ts";
import { standardLimits } from "../image/limits.ts";
import { type Descriptor, manifestTypes, parseAttachment } from "../image/manifest.ts";
import { cosignType, type ImageSignature } from "../trust/signature.ts";
import { withinLimit } from "./resolution.ts";

/** OpenPGP signatures in a layout that keelson writes: a bundle has no lookaside. */
const openPgpType = "application/vnd.keelson.signature.openpgp";

const configType = "application/vnd.oci.image.config.v1+json";

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
    const bytes = await readBlob(withinLimit(layer, { name, limits: standardLimits }));
    found.push(
      mediaType === cosignType ? { kind: "sigstore", payload: bytes, annotations } : { kind: "openpgp", bytes },
    );
  }
  return found;
}

/** Signatures as they are attached to an image. */
export interface Attached {
  readonly manifest: WrittenManifest;
  readonly blobs: readonly (Pick<Descriptor, "digest" | "size" | "mediaType"> & { readonly bytes: Uint8Array })[];
}

/**
 * The manifest that holds signatures, as cosign writes it: each is a layer, behind those that are attached `before`. Those in
 * OpenPGP are layers of a type of their own. https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
export function attachmentOf(signatures: readonly ImageSignature[], before: readonly Descriptor[] = []): Attached {
  const known = new Set(before.map(identityOf));
  const layers = signatures.map(layerOf).filter(({ described }) => !known.has(identityOf(described)));
  const rows = [...before, ...layers.map(({ described }) => described)];
  const rootfs = { type: "layers", diff_ids: rows.map(({ digest }) => digest) };
  const configBytes = Buffer.from(JSON.stringify({ architecture: "", os: "", config: {}, rootfs }));
  const config = { mediaType: configType, size: configBytes.length, digest: digestOf(configBytes) };
  const [mediaType] = manifestTypes;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: rows.map(written) }));
  return {
    manifest: { bytes, digest: digestOf(bytes), size: bytes.length, mediaType },
    blobs: [{ ...config, bytes: configBytes }, ...layers.map((layer) => ({ ...layer.described, bytes: layer.bytes }))],
  };
}

function layerOf(signature: ImageSignature): { readonly described: Descriptor; readonly bytes: Uint8Array } {
  const sigstore = signature.kind === "sigstore";
  const bytes = sigstore ? signature.payload : signature.bytes;
  const mediaType = sigstore ? cosignType : openPgpType;
  const annotations = sigstore ? signature.annotations : {};
  return { bytes, described: { mediaType, size: bytes.length, digest: digestOf(bytes), annotations } };
}

/** One payload may be signed by several keys. */
function identityOf({ digest, annotations }: Descriptor): string {
  return `${digest} ${JSON.stringify(Object.entries(annotations).sort())}`;
}

function written({ annotations, ...described }: Descriptor): object {
  return Object.keys(annotations).length === 0 ? described : { ...described, annotations };
}

/** Whether an entry of a layout's index can be an attachment at all. */
export function mayBeAttachment({ mediaType, size }: Descriptor): boolean {
  return mediaType === "application/vnd.oci.image.manifest.v1+json" && size <= standardLimits.bytes;
}
