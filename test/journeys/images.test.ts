import { readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
import { type Answer, type Host, makeHost, runKeelson } from "../bed/journey.ts";
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

describe("images rm", () => {
  const [a, b] = ["a", "b"].map((name) => () => `${registry.host}/${name}/etcd:v1`) as [() => string, () => string];

  it("62: removes one name only while there is another, and config and layers with the last", async () => {
    const host = await makeHost();
    const before = await host.snapshot();
    await fetch(host, "pull", a());
    const whole = await host.snapshot();
    const { digest } = await fetch(host, "pull", b());
    expect(await host.answer("images", "rm", b())).toMatchObject({ removed: [{ reference: b(), digest }] });
    expect(await host.snapshot()).toEqual(whole);
    expect((await host.keelson("images", "rm", a())).stdout).toBe(`removed ${a()} (${digest})\n`);
    expect(await host.snapshot()).toEqual(before);
  });

  it("62: leaves config and layers of an image that a container uses under another name", async () => {
    const host = await makeHost();
    await fetch(host, "install", "--name", "foo", a());
    const whole = await host.snapshot();
    await fetch(host, "pull", b());
    await host.answer("images", "rm", b());
    expect(await host.snapshot()).toEqual(whole);
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("63: refuses an image that a container uses, by each of its names, and names the container", async () => {
    const host = await makeHost();
    const { digest, id } = await fetch(host, "install", "--name", "foo", a());
    for (const name of [a(), digest, id.slice(7, 19)]) {
      const failure = await host.refused(4, "images", "rm", name);
      expect(failure).toMatchObject({ code: "E_IN_USE", message: expect.stringContaining("generation 1 of foo") });
    }
    await fetch(host, "pull", b());
    expect((await host.refused(4, "images", "rm", a(), b())).code).toBe("E_IN_USE");
    expect((await host.refused(4, "images", "rm", digest)).code).toBe("E_IN_USE");
  });

  it("63: refuses the image of an earlier generation, whose name has moved on, until that is gone", async () => {
    const host = await makeHost();
    const reference = `${registry.host}/moved:v1`;
    await push(etcd.reference, reference);
    const { digest } = await fetch(host, "install", "--name", "foo", reference);
    const newer = await shelf.build({ layers: [etcdLike(), { "etc/third": "3\n" }] });
    await push(newer.reference, reference);
    await host.answer("update", "--tls-verify=false", "foo");
    const failure = await host.refused(4, "images", "rm", digest);
    expect(failure.message).toContain("generation 1 of foo");
    await host.answer("uninstall", "foo");
    expect((await host.refused(3, "images", "rm", digest)).code).toBe("E_NOT_FOUND");
  });

  it("63: refuses every last name while a container cannot be read", async () => {
    const host = await makeHost();
    await fetch(host, "install", "--name", "foo", a());
    await fetch(host, "pull", b());
    await writeFile(host.path("/var/lib/keelson/deployments/foo/1/deployment.json"), "{");
    expect((await host.refused(4, "images", "rm", a(), b())).message).toContain("foo, which cannot be read");
    await host.answer("images", "rm", a());
  });

  it("removes all or none: one that is not here stops it", async () => {
    const host = await makeHost();
    await fetch(host, "pull", a());
    await fetch(host, "pull", b());
    expect((await host.refused(3, "images", "rm", a(), `${registry.host}/none:v1`)).code).toBe("E_NOT_FOUND");
    expect((await host.refused(2, "images", "rm")).code).toBe("E_USAGE");
    const { removed } = await host.answer<{ removed: readonly object[] }>("images", "rm", a(), b(), a());
    expect(removed).toHaveLength(2);
  });

  it("finds a file by a path that is not absolute", async () => {
    const host = await makeHost();
    await host.answer("pull", etcd.reference);
    const path = etcd.directory.slice(dirname(etcd.directory).length + 1);
    const args = ["--root", host.root, "images", "rm", `oci:${path}:latest`];
    const { status, stderr } = await runKeelson(args, { cwd: dirname(etcd.directory) });
    expect(status, stderr).toBe(0);
    expect(host.has("/var/lib/keelson")).toBe(false);
  });
});
