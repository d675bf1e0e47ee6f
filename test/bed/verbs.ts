import { cp, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomic } from "./atomic.ts";
import { contractManifest, etcdLike, serviceTemplate } from "./etcd-like.ts";
import type { ImageShelf } from "./image-shelf.ts";
import type { TestImage } from "./images.ts";
import type { Host } from "./journey.ts";
import type { LayerFiles } from "./layer-files.ts";
import { run } from "./run.ts";

/** A command that changes the host, on a host that it has something to change on. */
export interface Verb {
  readonly name: string;
  /** Makes the old state; the command line. `scratch` is a directory for more images. */
  prepare(host: Host, images: Images, scratch: string): Promise<readonly string[]>;
  /** The exit status of the same command when it has been done already. */
  readonly again: number;
  /** What it has begun is always finished, never taken back. */
  readonly forward?: boolean;
}

/** The second goes where the first was; both have the base under them. */
export interface Images {
  readonly base: TestImage;
  readonly first: TestImage;
  readonly second: TestImage;
}

/** Small, and with everything that a layer can hold. */
export async function buildImages(shelf: ImageShelf): Promise<Images> {
  const [base, first, second] = await Promise.all([
    shelf.build({ layers: [baseLayer] }),
    shelf.build({ layers: [baseLayer, firstLayer] }),
    shelf.build({ layers: [baseLayer, secondLayer] }),
  ]);
  return { base, first, second };
}

/** One layer after the other, so that every run makes the same calls. */
export const inOrder = "connections = 1\n";

/** Every verb that is swept. */
export const verbs: readonly Verb[] = [
  {
    name: "install",
    prepare: async (_, { first }) => ["install", "--name", "foo", first.reference],
    again: 0,
  },
  {
    name: "install beside another",
    async prepare(host, { base, first }) {
      await host.answer("install", "--name", "bar", base.reference);
      return ["install", "--name", "foo", first.reference];
    },
    again: 0,
  },
  {
    name: "import atomic",
    async prepare(host) {
      await writeAtomic(host, { name: "foo", image: "registry.example.com/foo:1", files: etcdLike() });
      return ["import", "atomic", "foo"];
    },
    again: 0,
  },
  {
    name: "pull",
    async prepare(host, { base, second }) {
      await host.answer("install", "--name", "bar", base.reference);
      return ["pull", second.reference];
    },
    again: 0,
  },
  {
    name: "update",
    async prepare(...bed) {
      await makeGenerations(...bed);
      return goOver;
    },
    again: 0,
  },
  {
    // Goes over with one container as update does, and installs another.
    name: "apply",
    async prepare(host, images, scratch) {
      const image = await makeGenerations(host, images, scratch);
      const sections = [`[foo]\nimage = ${image}\nset.PORT = 1`, `[new]\nimage = ${images.base.reference}`];
      await mkdir(host.path("etc/keelson/stack.d"));
      await writeFile(host.path("etc/keelson/stack.d/node.conf"), `${sections.join("\n")}\n`);
      return ["apply", "--allow-widen"];
    },
    again: 0,
  },
  {
    name: "rollback",
    async prepare(...bed) {
      await makeMoreGenerations(...bed);
      return ["rollback", "foo"];
    },
    again: 3,
  },
  {
    name: "uninstall",
    async prepare(...bed) {
      await makeMoreGenerations(...bed);
      return ["uninstall", "foo"];
    },
    again: 3,
  },
  {
    name: "uninstall of the last",
    async prepare(host, { first }) {
      await host.answer("install", "--name", "foo", first.reference);
      return ["uninstall", "foo"];
    },
    again: 3,
  },
  {
    name: "prune",
    async prepare(host, images, scratch) {
      await makeMoreGenerations(host, images, scratch);
      await loseName(host, images, scratch);
      await writeFile(host.path("etc/keelson/keelson.conf"), `${inOrder}keep = 1\n`);
      return ["prune"];
    },
    again: 0,
    forward: true,
  },
];

/**
 * Container bar, and two generations of foo, as many as are kept. Then the image of foo is replaced under its name, so that
 * the next update goes over to it and sweeps the first generation. The reference of foo.
 */
async function makeGenerations(host: Host, { base, first, second }: Images, scratch: string): Promise<string> {
  await writeFile(host.path("etc/keelson/keelson.conf"), `${inOrder}keep = 2\n`);
  const image = await copyImage(first, scratch);
  await host.answer("install", "--name", "bar", base.reference);
  await host.answer("install", "--name", "foo", image);
  await host.answer("update", "foo", "--set", "PORT=1");
  await run("skopeo", "copy", "-q", second.reference, image);
  return image;
}

/** The same, gone over to the other image: two generations are kept, the other image among them. */
async function makeMoreGenerations(...bed: Parameters<typeof makeGenerations>): Promise<void> {
  await makeGenerations(...bed);
  await bed[0].answer(...goOver);
}

/** Pulls an image, and another one under its name; the store keeps the one that has none any more. */
async function loseName(host: Host, { base, first }: Images, scratch: string): Promise<void> {
  const image = await copyImage(first, scratch);
  await host.answer("pull", image);
  await run("skopeo", "copy", "-q", base.reference, image);
  await host.answer("pull", image);
}

/** Where another image can take its name. */
async function copyImage(image: TestImage, scratch: string): Promise<string> {
  const directory = join(await mkdtemp(join(scratch, "image-")), "layout");
  await cp(image.directory, directory, { recursive: true });
  return `oci:${directory}:latest`;
}

const goOver = ["update", "foo", "--allow-widen"];

const baseLayer: LayerFiles = {
  ...etcdLike(),
  // Larger than what is held whole while it is unpacked.
  "usr/lib/large": { kind: "file", content: Buffer.alloc(300 * 1024, 1) },
  "usr/lib/linked": { kind: "hardlink", target: "usr/lib/large" },
  "usr/lib/owned": { kind: "file", content: "owned\n", mode: 0o4755, uid: 1, gid: 2, xattrs: { "user.a": "b" } },
  "usr/lib/link": { kind: "symlink", target: "large" },
  "usr/lib/fifo": { kind: "fifo" },
  "usr/lib/null": { kind: "character", major: 1, minor: 3 },
};

const firstLayer: LayerFiles = {
  "exports/hostfs/etc/only/first": "first\n",
  "exports/hostfs/etc/kind": "a file\n",
  "usr/lib/version": "1\n",
  "usr/lib/.wh.null": "",
};

const secondLayer: LayerFiles = {
  "exports/manifest.json": JSON.stringify({ ...contractManifest, defaultValues: { PORT: "4001", RECEIVER: "All" } }),
  "exports/service.template": serviceTemplate
    .replace("Etcd Server", "New Etcd")
    .replace("WantedBy=multi-user.target", "Alias=server.service\nRequiredBy=network.target"),
  "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME/new 0700 0 0 - -\n",
  "exports/hostfs/etc/etcd/etcd.conf": { kind: "file", content: "NEW=$PORT\n", mode: 0o600 },
  "exports/hostfs/etc/only/second": "second\n",
  "exports/hostfs/etc/kind": { kind: "symlink", target: "a link" },
  "usr/lib/version": "2\n",
  "usr/lib/.wh.fifo": "",
};
