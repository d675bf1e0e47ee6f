import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LayerFiles, packLayer } from "./layer-files.ts";
import { run } from "./run.ts";

/** What the image's configuration says, in the words of umoci-config(1). */
interface TestConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly stopSignal?: string;
  readonly volumes?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly architecture?: string;
}

export interface TestImageOptions {
  /** Lowest first: files that GNU tar packs, or the bytes of a tar to be taken as they are. */
  readonly layers: readonly (LayerFiles | Uint8Array)[];
  readonly config?: TestConfig;
}

/** An image in an OCI layout of its own, tagged `latest`. */
export interface TestImage {
  /** The layout. */
  readonly directory: string;
  /** `oci:DIRECTORY:latest`, which skopeo and keelson both read. */
  readonly reference: string;
  remove(): Promise<void>;
}

const emptyTar = Buffer.alloc(1024);

/** Makes an image with umoci; its layers are gzipped. Takes about 40 ms a layer. */
export async function buildImage(options: TestImageOptions): Promise<TestImage> {
  const parent = await mkdtemp(join(tmpdir(), "keelson-image-"));
  const image = testImage(parent);
  const target = `${image.directory}:latest`;
  await run("umoci", "init", "--layout", image.directory);
  await run("umoci", "new", "--image", target);
  for (const layer of options.layers) {
    const archive = join(parent, "layer.tar");
    if (layer instanceof Uint8Array) await writeFile(archive, layer.length === 0 ? emptyTar : layer);
    else await packLayer(layer, archive);
    await run("umoci", "raw", "add-layer", "--image", target, archive);
    await rm(archive);
  }
  const flags = configFlags(options.config ?? {});
  if (flags.length > 0) await run("umoci", "config", "--image", target, ...flags);
  return image;
}

/** Makes an image with buildah from the Containerfile in `context`; the base may be `scratch` or `oci:DIR:TAG`. */
export async function buildContainerfile(context: string, format: "oci" | "docker" = "oci"): Promise<TestImage> {
  const parent = await mkdtemp(join(tmpdir(), "keelson-image-"));
  const image = testImage(parent);
  const storage = ["--storage-driver", "vfs", "--root", join(parent, "root"), "--runroot", join(parent, "run")];
  const build = ["build", "--isolation", "chroot", "--layers=false", "-q", "--format", format, "-t", "built"];
  await run("buildah", ...storage, ...build, context);
  await run("buildah", ...storage, "push", "-q", "built", image.reference);
  await Promise.all(["root", "run"].map((name) => rm(join(parent, name), { recursive: true, force: true })));
  return image;
}

/** Pushes `source` (any skopeo reference, such as a TestImage's) to `HOST/REPOSITORY:TAG`, whatever TLS is there. */
export async function push(
  source: string,
  target: string,
  options: {
    readonly user?: { readonly name: string; readonly password: string };
    readonly format?: "oci" | "v2s2";
    /** All images of an index, not only this machine's. */
    readonly all?: boolean;
    /** Layers as they are compressed, manifest byte for byte. */
    readonly unchanged?: boolean;
  } = {},
): Promise<void> {
  const { user, format, all, unchanged } = options;
  await run(
    "skopeo",
    "copy",
    "-q",
    "--dest-tls-verify=false",
    ...(user ? [`--dest-creds=${user.name}:${user.password}`] : []),
    ...(format ? [`--format=${format}`] : []),
    ...(all ? ["--all"] : []),
    ...(unchanged ? ["--preserve-digests"] : []),
    source,
    `docker://${target}`,
  );
}

/** Gathers `images` (tag to use, image) of several platforms under one index, tagged `latest`, with buildah. */
export async function buildIndex(images: readonly TestImage[]): Promise<TestImage> {
  const parent = await mkdtemp(join(tmpdir(), "keelson-index-"));
  const index = testImage(parent);
  const storage = ["--storage-driver", "vfs", "--root", join(parent, "root"), "--runroot", join(parent, "run")];
  await run("buildah", ...storage, "manifest", "create", "index");
  for (const image of images) await run("buildah", ...storage, "manifest", "add", "index", image.reference);
  await run("buildah", ...storage, "manifest", "push", "-q", "--all", "index", index.reference);
  await Promise.all(["root", "run"].map((name) => rm(join(parent, name), { recursive: true, force: true })));
  return index;
}

/** The digest of the layout's only manifest or index, as its index.json names it. */
export async function topDigest(image: TestImage): Promise<string> {
  const index = JSON.parse(await readFile(join(image.directory, "index.json"), "utf8"));
  return index.manifests[0].digest;
}

function testImage(parent: string): TestImage {
  const directory = join(parent, "layout");
  return {
    directory,
    reference: `oci:${directory}:latest`,
    remove: () => rm(parent, { recursive: true, force: true }),
  };
}

function configFlags(config: TestConfig): readonly string[] {
  const one = (flag: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [`${flag}=${value}`];
  const many = (flag: string, values: readonly string[] | undefined): readonly string[] =>
    (values ?? []).map((value) => `${flag}=${value}`);
  return [
    ...many("--config.entrypoint", config.entrypoint),
    ...many("--config.cmd", config.command),
    ...many("--config.env", config.environment),
    ...many("--config.volume", config.volumes),
    ...many(
      "--config.label",
      Object.entries(config.labels ?? {}).map(([key, value]) => `${key}=${value}`),
    ),
    ...one("--config.user", config.user),
    ...one("--config.workingdir", config.workingDirectory),
    ...one("--config.stopsignal", config.stopSignal),
    ...one("--architecture", config.architecture),
  ];
}
