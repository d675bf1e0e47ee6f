import type { WrittenManifest } from "../image/convert.ts";
import type { Digest } from "../image/digest.ts";
import { standardLimits } from "../image/limits.ts";
import { type Descriptor, manifestTypes, parseAttachment } from "../image/manifest.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { attachmentOf, signatureTag } from "./attachments.ts";
import type { ImageDestination } from "./destination.ts";
import { readBody } from "./registry-answer.ts";
import type { Repository } from "./repository.ts";
import { pieceOf } from "./sink.ts";

/**
 * Adds signatures in cosign's form to those that a repository has of the manifest of that digest; how many: others have no
 * place in a registry. `putTagged` writes a manifest under a tag.
 */
export async function attachSignatures(
  repository: Repository,
  { hasBlob, putBlob }: Pick<ImageDestination, "hasBlob" | "putBlob">,
  digest: Digest,
  given: readonly ImageSignature[],
  putTagged: (manifest: WrittenManifest, tag: string) => Promise<void>,
): Promise<number> {
  const signatures = given.filter(({ kind }) => kind === "sigstore");
  if (signatures.length === 0) return 0;
  const tag = signatureTag(digest);
  const { manifest, blobs } = attachmentOf(signatures, await readAttached(repository, tag));
  for (const blob of blobs) if (!(await hasBlob(blob))) await putBlob(blob, pieceOf(blob.bytes));
  await putTagged(manifest, tag);
  return signatures.length;
}

async function readAttached(repository: Repository, tag: string): Promise<readonly Descriptor[]> {
  return repository.get(`manifests/${tag}`, { accept: manifestTypes[0] }, async (response) => {
    if (response.status === 404) {
      response.discard();
      return [];
    }
    if (response.status !== 200) throw await repository.failure(response);
    return parseAttachment((await readBody(response, standardLimits.bytes)) ?? Buffer.alloc(0), tag).layers;
  });
}
