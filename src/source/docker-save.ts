import { createHash } from "node:crypto";
import { printable } from "../errors.ts";
import { parseImageConfig } from "../image/config.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import { isQualified } from "../image/grammar.ts";
import { isObject } from "../image/json.ts";
import { type DocumentLimits, standardLimits } from "../image/limits.ts";
import { type Compression, type Descriptor, manifestTypes } from "../image/manifest.ts";
import { type FileSet, readWhole, type StoredFile, unreadable } from "./file-set.ts";
import { detectCompression } from "./inflate.ts";
import { imageOf } from "./resolution.ts";
import type { ImageSource } from "./source.ts";
import { mismatch } from "./verify.ts";

const listLimit = 1024 * 1024;
const layerType = {
  none: "application/vnd.docker.image.rootfs.diff.tar",
  gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  zstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

/** Which image of an archive is meant. */
export interface SavedName {
  /** How messages call it. */
  readonly name: string;
  /** One of its names, or `@N` for its place; it may be left out where there is one image only. */
  readonly tag: string | undefined;
  readonly limits: DocumentLimits | undefined;
}

/** One image of an archive's manifest.json: the members that hold it, and the names it was saved under. */
interface SavedImage {
  readonly config: string;
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

/** An image of the archive as a registry would have described it. */
interface DescribedImage {
  readonly manifestBytes: Uint8Array;
  readonly configBytes: Uint8Array;
  /** The member that holds each layer. */
  readonly members: ReadonlyMap<Digest, string>;
}

/**
 * One image of a `docker save` archive, opened at first use. It has no manifest of the registry's kind, so one is made: the
 * same archive always gives the same one. The configuration stays byte for byte, so the image's id is that of every other
 * transport. https://github.com/moby/moby/blob/v28.0.0/image/spec/v1.2.md#combined-image-json--filesystem-changeset-format
 */
export function openDockerSave(saved: SavedName, openFiles: () => Promise<FileSet>): ImageSource {
  const { name, tag, limits = standardLimits } = saved;
  let opened: Promise<FileSet> | undefined;
  let described: Promise<DescribedImage> | undefined;
  const files = (): Promise<FileSet> => {
    opened ??= openFiles();
    return opened;
  };
  const describe = (): Promise<DescribedImage> => {
    described ??= files().then((set) => describedImage(set, tag, { name, limits }));
    return described;
  };
  return {
    resolve: async (platform) => {
      const { manifestBytes, configBytes } = await describe();
      const readConfig = async (): Promise<Uint8Array> => configBytes;
      const top = { bytes: manifestBytes, mediaType: manifestTypes[1] };
      return imageOf(top, { name, limits, readManifest: readConfig, readConfig }, platform);
    },
    readTop: async () => ({ bytes: (await describe()).manifestBytes, mediaType: manifestTypes[1] }),
    readManifest: async ({ digest }) => {
      throw unreadable(name, `it has no manifest ${digest}`);
    },
    openBlob: async (layer) => {
      const { configBytes } = await describe();
      if (layer.digest === digestOf(configBytes)) return only(configBytes);
      const member = (await describe()).members.get(layer.digest);
      if (member === undefined) throw unreadable(name, `it has no layer ${layer.digest}`);
      const file = await openMember(await files(), member, name);
      if (file.size === layer.size) return file.read();
      throw mismatch(name, `${layer.digest} has ${file.size} bytes, not the ${layer.size} it is described with`);
    },
    close: async () => {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function describedImage(
  files: FileSet,
  tag: string | undefined,
  { name, limits }: { readonly name: string; readonly limits: DocumentLimits },
): Promise<DescribedImage> {
  const saved = chosenImage(await readList(files, name), tag, name);
  const configBytes = await readWhole(files, saved.config, limits.bytes);
  const { diffIds } = parseImageConfig(configBytes, saved.layers.length, name, limits);
  const members = new Map<Digest, string>();
  const layers: object[] = [];
  for (const [at, diffId] of diffIds.entries()) {
    const member = saved.layers[at] ?? "";
    const { mediaType, digest, size } = await describedLayer(await openMember(files, member, name), diffId);
    members.set(digest, member);
    layers.push({ mediaType, size, digest });
  }
  const config = {
    mediaType: "application/vnd.docker.container.image.v1+json",
    size: configBytes.length,
    digest: digestOf(configBytes),
  };
  const manifest = { schemaVersion: 2, mediaType: manifestTypes[1], config, layers };
  return { manifestBytes: Buffer.from(JSON.stringify(manifest)), configBytes, members };
}

/** A plain layer is called by its diff id, which openLayer checks; only a compressed one has to be read here. */
async function describedLayer(file: StoredFile, diffId: Digest): Promise<Omit<Descriptor, "annotations">> {
  const hash = createHash("sha256");
  let compression: Compression | undefined;
  for await (const piece of file.read()) {
    compression ??= detectCompression(piece);
    if (compression === "none") break;
    hash.update(piece);
  }
  const mediaType = layerType[compression ?? "none"];
  const stored = compression === "gzip" || compression === "zstd";
  return { mediaType, digest: stored ? `sha256:${hash.digest("hex")}` : diffId, size: file.size };
}

async function openMember(files: FileSet, member: string, name: string): Promise<StoredFile> {
  const file = await files.open(member);
  if (file === undefined) throw unreadable(name, `it has no member ${member}`);
  return file;
}

async function readList(files: FileSet, name: string): Promise<readonly SavedImage[]> {
  const bytes = await readWhole(files, "manifest.json", listLimit);
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw unreadable(name, "its manifest.json is not JSON", error);
  }
  if (!Array.isArray(list)) throw unreadable(name, "its manifest.json is not a list");
  return list.map((entry: unknown) => {
    const tags = isObject(entry) ? (entry.RepoTags ?? []) : [];
    if (!isObject(entry) || typeof entry.Config !== "string" || !isTexts(entry.Layers) || !isTexts(tags)) {
      throw unreadable(name, "its manifest.json does not say Config, Layers and RepoTags");
    }
    return { config: entry.Config, layers: entry.Layers, tags };
  });
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function chosenImage(images: readonly SavedImage[], tag: string | undefined, name: string): SavedImage {
  const index = /^@([0-9]+)$/.exec(tag ?? "")?.[1];
  if (index !== undefined) {
    const image = images[Number(index)];
    if (image !== undefined) return image;
    throw unreadable(name, `it holds ${images.length} images, counted from 0`);
  }
  const wanted = tag === undefined ? undefined : fullName(tag);
  const matching = images.filter((image) => wanted === undefined || image.tags.some((one) => fullName(one) === wanted));
  const [image, ...others] = matching;
  if (image !== undefined && others.length === 0) return image;
  const tags = printable(images.flatMap((one) => one.tags).join(", ")) || "none with a name";
  if (images.length === 0) throw unreadable(name, "it holds no image");
  if (image === undefined) throw unreadable(name, `no image is called ${tag}; there are ${tags}`);
  if (tag !== undefined) throw unreadable(name, `the tag is ambiguous: ${matching.length} images are called ${tag}`);
  throw unreadable(name, `it holds several images, choose one by its tag: ${tags}`);
}

/** A name as written by hand or by docker, in the form in which both are equal. */
function fullName(tag: string): string {
  const last = tag.slice(tag.lastIndexOf("/") + 1);
  const tagged = /:./s.test(last) ? tag : `${tag}:latest`;
  const host = isQualified(tagged) ? "" : "docker.io/";
  const name = `${host}${tagged}`;
  return name.replace(/^docker\.io\/([^/]+)$/, "docker.io/library/$1");
}
