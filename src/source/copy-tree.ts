import { KeelsonError } from "../errors.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import type { DocumentLimits } from "../image/limits.ts";
import { type Index, type Manifest, parseManifest } from "../image/manifest.ts";
import type { Platform } from "../image/platform.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { tooDeep, withinLimit } from "./resolution.ts";
import type { ImageSource } from "./source.ts";

/** What is copied of an image. */
export interface TreeOptions {
  /** How messages call the image. */
  readonly name: string;
  readonly limits: DocumentLimits;
  readonly platform: Platform;
  /** Every image of an index, and the index; otherwise the one for the platform. */
  readonly all: boolean;
  /** Asked about each image before any blob is read; throws when it is not let in. */
  readonly admit?: ((image: Digest) => Promise<void>) | undefined;
  /** The signatures of an image or index, to be brought along. */
  readonly signatures?: ((document: Digest) => Promise<readonly ImageSignature[]>) | undefined;
}

/** A manifest, or an index with what it names. */
export interface Branch {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly document: Manifest | Index;
  readonly members: ReadonlyMap<Digest, Branch>;
  readonly signatures: readonly ImageSignature[];
}

/**
 * All documents there are to copy, each image of them let in. `takesIndex`: whether the destination holds an index. Throws
 * what the source and `admit` throw, E_USAGE, E_LIMIT.
 */
export async function readRoot(source: ImageSource, takesIndex: boolean, options: TreeOptions): Promise<Branch> {
  const { bytes, mediaType } = await source.readTop();
  const document = parseManifest(bytes, mediaType, options.name, options.limits);
  if (document.kind === "manifest") return readBranch(source, options, bytes, document, 1);
  if (!options.all) {
    const chosen = await source.resolve(options.platform);
    return readBranch(source, options, chosen.manifestBytes, chosen.manifest, 1);
  }
  if (!takesIndex) throw takesOne(options.name);
  return readBranch(source, options, bytes, document, 1);
}

async function readBranch(
  source: ImageSource,
  options: TreeOptions,
  bytes: Uint8Array,
  document: Manifest | Index,
  depth: number,
): Promise<Branch> {
  if (depth > options.limits.depth) throw tooDeep(options);
  const digest = digestOf(bytes);
  const members = new Map<Digest, Branch>();
  if (document.kind === "manifest") await options.admit?.(digest);
  for (const entry of document.kind === "index" ? document.manifests : []) {
    const memberBytes = await source.readManifest(withinLimit(entry, options));
    const member = parseManifest(memberBytes, entry.mediaType, options.name, options.limits);
    members.set(entry.digest, await readBranch(source, options, memberBytes, member, depth + 1));
  }
  return { digest, bytes, document, members, signatures: (await options.signatures?.(digest)) ?? [] };
}

function takesOne(name: string): KeelsonError {
  return new KeelsonError("E_USAGE", `${name} is an index of several images, and the destination holds one`, {
    hint: "Leave out --all, and choose the image with --platform.",
  });
}
