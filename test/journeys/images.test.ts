import { readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
import { type Answer, type Host, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";

const shelf = openShelf();
let registry: TestRegistry;
let etcd: TestImage;

const labels = { "org.opencontainers.image.title": "etcd", maintainer: "somebody" };

interface ImageRow {
  readonly reference: string | null;
  readonly digest: string;
  readonly id: string;
  readonly used: boolean;
  readonly kept: boolean;
}

beforeAll(async () => {
  registry = await startRegistry();
  etcd = await shelf.build({ layers: [etcdLike(), { "etc/second": "2\n" }], config: { labels } });
  for (const name of ["a/etcd:v1", "b/etcd:v1"]) await push(etcd.reference, `${registry.host}/${name}`);
});

afterAll(() => registry.stop());

const fetch = (host: Host, verb: "pull" | "install", ...args: readonly string[]): Promise<Answer> =>
  host.answer(verb, "--tls-verify=false", ...args);

/** Where the registry keeps the bytes of a blob. */
function blobPath(digest: string): string {
  const hex = digest.slice("sha256:".length);
  return join(registry.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
}

async function layersOf(host: Host, name: string): Promise<readonly { digest: string; diffId: string }[]> {
  return (await host.answer<{ layers: readonly { digest: string; diffId: string }[] }>("info", name)).layers;
}

it("64: an image under another name is not downloaded again", async () => {
  const other = await startRegistry();
  try {
    const host = await makeHost();
    await push(etcd.reference, `${other.host}/etcd:v1`);
    await fetch(host, "pull", `${registry.host}/a/etcd:v1`);
    const layers = await layersOf(host, `${registry.host}/a/etcd:v1`);
    for (const { digest } of layers) {
      const hex = digest.slice("sha256:".length);
      await rm(join(other.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex), { recursive: true });
    }
    const { stderr, status } = await host.keelson("pull", "--tls-verify=false", `${other.host}/etcd:v1`);

    expect(status, stderr).toBe(0);
    expect(stderr.match(/already here/g)).toHaveLength(2);
    expect(await host.answer<readonly ImageRow[]>("images")).toHaveLength(2);
  } finally {
    await other.stop();
  }
});

it("64: install of an image that was pulled needs no registry", async () => {
  const gone = await startRegistry();
  const host = await makeHost();
  const reference = `${gone.host}/etcd:v1`;
  await push(etcd.reference, reference);
  await fetch(host, "pull", reference).finally(gone.stop);

  expect((await fetch(host, "install", "--name", "foo", reference)).name).toBe("foo");
});

it("66: an image by digest is installed and its digest recorded", async () => {
  const host = await makeHost();
  const { digest } = await fetch(host, "pull", `${registry.host}/a/etcd:v1`);
  const answer = await fetch(host, "install", "--name", "foo", `docker://${registry.host}/b/etcd@${digest}`);

  expect(answer.digest).toBe(digest);
  expect(JSON.parse(host.read("/var/lib/keelson/deployments/foo/current/deployment.json")).image).toMatchObject({
    digest,
    reference: `${registry.host}/b/etcd@${digest}`,
  });
});

it("67: a lost layer is fetched again by install", async () => {
  const host = await makeHost();
  const reference = `${registry.host}/a/etcd:v1`;
  await fetch(host, "pull", reference);
  const whole = await host.snapshot();
  const [layer] = await layersOf(host, reference);
  await rm(host.path(`/var/lib/keelson/images/layers/${layer?.diffId.slice("sha256:".length)}`));

  await fetch(host, "install", "--name", "foo", reference);
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(whole);
});

it.each([
  ["lost", (path: string) => rm(path)],
  ["cut short", (path: string) => truncate(path, 10)],
])("67: a change list that was %s is written anew by pull and by install", async (_, damage) => {
  const host = await makeHost();
  const reference = `${registry.host}/a/etcd:v1`;
  await fetch(host, "pull", reference);
  const whole = await host.snapshot();
  const layers = host.path("/var/lib/keelson/images/layers");
  for (const verb of [["pull"], ["install", "--name", "foo"]] as const) {
    for (const name of await readdir(layers)) await damage(join(layers, name));
    const [first, ...rest] = verb;
    await fetch(host, first, ...rest, reference);
  }
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(whole);
});

it.each(["file", "dirtree"])("67: lost objects of kind %s are fetched again by install", async (kind) => {
  const host = await makeHost();
  const reference = `${registry.host}/a/etcd:v1`;
  await fetch(host, "pull", reference);
  const whole = await host.snapshot();
  const objects = host.path("/var/lib/keelson/repo/objects");
  for (const name of await readdir(objects, { recursive: true })) {
    if (name.endsWith(`.${kind}`)) await rm(join(objects, name));
  }

  await fetch(host, "install", "--name", "foo", reference);
  expect(host.read("/var/lib/keelson/deployments/foo/current/rootfs/etc/second")).toBe("2\n");
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(whole);
});

it("67: a layer the store has lost and the registry too is an error that leaves everything as it is", async () => {
  const other = await startRegistry();
  try {
    const host = await makeHost();
    const reference = `${other.host}/etcd:v1`;
    await push(etcd.reference, reference);
    await fetch(host, "pull", reference);
    const [layer] = await layersOf(host, reference);
    await rm(host.path(`/var/lib/keelson/images/layers/${layer?.diffId.slice("sha256:".length)}`));
    const hex = String(layer?.digest.slice("sha256:".length));
    await rm(join(other.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex), { recursive: true });

    const failure = await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference);
    expect(failure.code).toBe("E_REGISTRY");
  } finally {
    await other.stop();
  }
});

it("layers are kept once however many images and containers have them", async () => {
  const host = await makeHost();
  await fetch(host, "pull", `${registry.host}/a/etcd:v1`);
  await fetch(host, "install", "--name", "foo", `${registry.host}/b/etcd:v1`);
  expect((await readdir(host.path("/var/lib/keelson/images/layers"))).length).toBe(2);

  const layers = await layersOf(host, await topDigest(etcd));
  for (const { digest } of layers) expect((await stat(blobPath(digest))).size).toBeGreaterThan(0);
});
