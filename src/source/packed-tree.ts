import { createHash } from "node:crypto";
import { type Digest, digestOf } from "../image/digest.ts";
import { noLimits } from "../image/limits.ts";
import { manifestTypes } from "../image/manifest.ts";
import type { Platform } from "../image/platform.ts";
import { unreadable } from "./file-set.ts";
import { imageOf } from "./resolution.ts";
import type { ImageSource } from "./source.ts";

/** What is known of a tree that is to be an image. */
export interface PackedTree {
  /** How messages call it. */
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  readonly platform: Platform;
  /** A plain tar of the tree; the same bytes each time. */
  readTar(): AsyncIterable<Uint8Array>;
}

/** An image of one layer, which is a tar of a tree. The tar is read once to be named, and again when the layer is. */
export function openPackedTree(tree: PackedTree): ImageSource {
  const { name } = tree;
  let packed: Promise<Documents> | undefined;
  const documents = (): Promise<Documents> => {
    packed ??= pack(tree);
    return packed;
  };
  const readManifest: ImageSource["readManifest"] = async ({ digest }) => {
    throw unreadable(name, `it has no manifest ${digest}`);
  };
  return {
    resolve: async (platform) => {
      const { manifest, config } = await documents();
      const top = { bytes: manifest, mediaType: undefined };
      return imageOf(top, { name, limits: noLimits, readManifest, readConfig: async () => config }, platform);
    },
    readTop: async () => ({ bytes: (await documents()).manifest, mediaType: undefined }),
    readManifest,
    openBlob: async ({ digest }) => {
      const { config } = await documents();
      return digestOf(config) === digest ? only(config) : tree.readTar();
    },
    close: async () => undefined,
  };
}

interface Documents {
  readonly manifest: Buffer;
  readonly config: Buffer;
}

/** https://github.com/opencontainers/image-spec/blob/main/config.md, and manifest.md there. */
async function pack({ created, platform, readTar }: PackedTree): Promise<Documents> {
  const layer = await nameOf(readTar());
  const { os, architecture, variant } = platform;
  const config = Buffer.from(
    JSON.stringify({
      ...{ created, architecture, ...(variant === undefined ? {} : { variant }), os, config: {} },
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    }),
  );
  const [mediaType] = manifestTypes;
  const described = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: digestOf(config),
    size: config.length,
  };
  const layers = [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }];
  return { config, manifest: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: described, layers })) };
}

async function nameOf(tar: AsyncIterable<Uint8Array>): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of tar) {
    hash.update(piece);
    size += piece.length;
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
