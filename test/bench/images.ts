import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fetchPackages, runProgram, unpackPackages } from "../../examples/packages.ts";
import { type ImageSize, layerPackages } from "./packages.ts";

export const compressions = ["gzip", "zstd"] as const;
export type Compression = (typeof compressions)[number];
export const versions = ["v1", "v2"] as const;
type Version = (typeof versions)[number];

/** An OCI image layout with an image tagged `v1`, and `v2` that differs in its last layer. */
export interface BenchImage {
  readonly size: ImageSize;
  readonly compression: Compression;
  readonly layout: string;
  readonly layers: number;
  /** Of all layers as stored, and of the one that differs in v2. */
  readonly layerBytes: number;
  readonly changedBytes: number;
}

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
}

const cache = join(import.meta.dirname, "../.cache/bench");
const debs = join(import.meta.dirname, "../.cache/examples/debs");
/** Changes whenever images are built in another way. */
const format = "1";
const siteFiles = 400;
const compressors: Readonly<Record<Compression, readonly [string, ...string[]]>> = {
  gzip: ["gzip", "-n", "-6"],
  zstd: ["zstd", "-q", "-3"],
};

/** The image of that size; built on the first call on a machine, which takes Debian's packages and up to some minutes. */
export async function benchImage(size: ImageSize, compression: Compression): Promise<BenchImage> {
  const key = createHash("sha256")
    .update(JSON.stringify([format, layerPackages[size]]))
    .digest("hex")
    .slice(0, 16);
  const layout = join(cache, `${size}-${compression}-${key}`);
  if (!(await stat(layout).catch(() => undefined))) await buildLayout(size, compression, layout);
  const { layers } = await manifestOf(layout, "v1");
  const layerBytes = layers.reduce((sum, layer) => sum + layer.size, 0);
  return {
    size,
    compression,
    layout,
    layers: layers.length,
    layerBytes,
    changedBytes: (await manifestOf(layout, "v2")).layers.at(-1)?.size ?? 0,
  };
}

async function buildLayout(size: ImageSize, compression: Compression, layout: string): Promise<void> {
  const beside = `${layout}.new`;
  await rm(beside, { recursive: true, force: true });
  await mkdir(join(beside, "blobs/sha256"), { recursive: true });
  const work = await mkdtemp(join(tmpdir(), "keelson-bench-"));
  try {
    const shared: Layer[] = [];
    for (const [index, names] of layerPackages[size].entries()) {
      const root = join(work, String(index));
      await unpackPackages([...(await fetchPackages(names.split(" "), debs)).values()], root);
      shared.push(await packLayer(root, compression, beside));
    }
    const manifests: object[] = [];
    for (const version of versions) {
      const root = join(work, version);
      await writeSite(root, version);
      manifests.push(await writeImage(beside, [...shared, await packLayer(root, compression, beside)], version));
    }
    await writeFile(join(beside, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
    await writeFile(join(beside, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  await rename(beside, layout);
}

/** A site whose second version has one page in forty changed. */
async function writeSite(root: string, version: Version): Promise<void> {
  for (let index = 0; index < siteFiles; index++) {
    const path = join(root, "srv/site", String(index % 20), `${index}.html`);
    await mkdir(dirname(path), { recursive: true });
    const edition = index % 40 === 0 ? version : "v1";
    const words = createHash("sha512").update(`${index} ${edition}`).digest("hex");
    await writeFile(path, `<p>${words}</p>\n`.repeat(1 + (index % 50)));
  }
}

async function packLayer(root: string, compression: Compression, layout: string): Promise<Layer> {
  const tar = `${root}.tar`;
  const names = [
    "--sort=name",
    "--numeric-owner",
    "--owner=0",
    "--group=0",
    "--format=posix",
    "--mtime=2024-01-02 03:04:05Z",
  ];
  const times = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";
  await runProgram("tar", [...names, times, "-C", root, "-cf", tar, "."]);
  await rm(root, { recursive: true });
  const diffId = await sha256(tar);
  const [program, ...flags] = compressors[compression];
  const suffix = compression === "gzip" ? "gz" : "zst";
  await runProgram(program, [...flags, "-k", tar]);
  await rm(tar);
  const { digest, size } = await addBlob(layout, `${tar}.${suffix}`);
  await rm(`${tar}.${suffix}`);
  return { mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`, digest, size, diffId };
}

/** Writes configuration and manifest; the manifest's descriptor for the index. */
async function writeImage(layout: string, layers: readonly Layer[], version: Version): Promise<object> {
  const config = await addDocument(layout, {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    created: "2024-01-02T03:04:05Z",
    config: { Cmd: ["/bin/sleep", "infinity"] },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = await addDocument(layout, {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: layers.map(({ diffId: _, ...descriptor }) => descriptor),
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  return { mediaType, ...manifest, annotations: { "org.opencontainers.image.ref.name": version } };
}

async function addDocument(layout: string, document: object): Promise<{ digest: string; size: number }> {
  const path = join(layout, "document");
  await writeFile(path, JSON.stringify(document));
  try {
    return await addBlob(layout, path);
  } finally {
    await rm(path);
  }
}

async function addBlob(layout: string, path: string): Promise<{ digest: string; size: number }> {
  const digest = await sha256(path);
  await copyFile(path, join(layout, "blobs", digest.replace(":", "/")));
  return { digest, size: (await stat(path)).size };
}

async function sha256(path: string): Promise<string> {
  return `sha256:${(await runProgram("sha256sum", [path])).slice(0, 64)}`;
}

async function manifestOf(
  layout: string,
  tag: string,
): Promise<{ readonly layers: readonly { readonly size: number }[] }> {
  const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  const row = index.manifests.find(
    ({ annotations }: { annotations: Record<string, string> }) =>
      annotations["org.opencontainers.image.ref.name"] === tag,
  );
  return JSON.parse(await readFile(join(layout, "blobs", row.digest.replace(":", "/")), "utf8"));
}
