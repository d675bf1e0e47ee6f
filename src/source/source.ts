import type { ImageConfig } from "../image/config.ts";
import type { Digest } from "../image/digest.ts";
import type { Descriptor, Manifest } from "../image/manifest.ts";
import type { Platform } from "../image/platform.ts";
import type { ImageSignature } from "../trust/signature.ts";

/** A place that one image comes from: a registry repository, a layout, an archive. */
export interface ImageSource {
  /**
   * The image for `platform`, indexes followed, manifest and configuration checked against their digests and sizes. No layer is
   * read. What `stored` has of them, by digest, is not asked for again. Throws E_SOURCE, E_REGISTRY, E_AUTH, E_DIGEST,
   * E_MANIFEST, E_PLATFORM.
   */
  resolve(platform: Platform, stored?: StoredDocument): Promise<SourceImage>;
  /** The manifest or index that the reference names, byte for byte: of an index nothing is chosen. Throws as resolve does. */
  readTop(): Promise<TopDocument>;
  /** A manifest or index that an index of this source names, checked. Throws as resolve does. */
  readManifest(descriptor: Descriptor): Promise<Uint8Array>;
  /**
   * The bytes of a layer or configuration as stored (compressed), not yet checked: see openLayer. May be called for several
   * layers at once; ending the iteration early releases what it holds. Throws as resolve does, also while iterating.
   */
  openBlob(layer: Descriptor): Promise<AsyncIterable<Uint8Array>>;
  /**
   * The bytes of a layer from `from` to before `to`, not checked; undefined where the far side gives no parts. Absent where
   * parts are no cheaper than the whole. Throws as openBlob does.
   */
  openRange?(layer: Descriptor, from: number, to: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * How the layer of that diff id is held where that is not as the manifest says: as a plain tar, which openBlob gives.
   * Throws as resolve does.
   */
  held?(diffId: Digest): Promise<Descriptor>;
  /**
   * The signatures that are attached to the manifest of that digest, unchecked. Absent where the transport has no place
   * for any. Throws as resolve does.
   */
  signatures?(digest: Digest): Promise<readonly ImageSignature[]>;
  /** Gives up connections and open files. No stream may be read afterwards. */
  close(): Promise<void>;
}

/** A manifest or configuration that is at hand, whole and checked; undefined for one that is not. */
export type StoredDocument = (digest: Digest) => Uint8Array | undefined;

/** The manifest or index that a reference names; `mediaType` as its descriptor or Content-Type declares it. */
export interface TopDocument {
  readonly bytes: Uint8Array;
  readonly mediaType: string | undefined;
}

/** One image as its source offers it. */
export interface SourceImage {
  /** Of the manifest's bytes. */
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
}
