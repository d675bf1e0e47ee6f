import type { WrittenManifest } from "../image/convert.ts";
import type { Digest } from "../image/digest.ts";
import type { Descriptor } from "../image/manifest.ts";
import type { ImageSignature } from "../trust/signature.ts";

/** What names a blob. */
export type BlobName = Pick<Descriptor, "digest" | "size" | "mediaType">;

/** A place that one image is written to. Nothing can be seen of it there under its name before commit. */
export interface ImageDestination {
  /** Whether it takes an index and its images, not one image only. */
  readonly takesIndex: boolean;
  /** Whether the blob is there, whole. */
  hasBlob(blob: BlobName): Promise<boolean>;
  /** Takes the blob over from another repository of the same registry, `HOST/REPOSITORY`; false when that cannot be. */
  mountBlob(blob: BlobName, from: string): Promise<boolean>;
  /** Writes a blob of this size and digest. A `content` that throws, as one of other bytes does, leaves nothing. */
  putBlob(blob: BlobName, content: AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * Writes a manifest or index: the one that gets the name, or a member of the index that will. Its blobs are there already.
   */
  putManifest(manifest: WrittenManifest, as: "top" | "member"): Promise<void>;
  /**
   * Attaches signatures to the manifest of that digest, before it is written; how many of them the place can hold. Absent
   * where it holds none.
   */
  putSignatures?(digest: Digest, as: "top" | "member", signatures: readonly ImageSignature[]): Promise<number>;
  /** Makes what was written last. */
  commit(): Promise<void>;
  /** Gives up connections and files; without a commit before, what was written is taken away where it can be. */
  close(): Promise<void>;
}
