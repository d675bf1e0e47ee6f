import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
import { type Host, makeHost, type Ran, runKeelson } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { takeSnapshot } from "../bed/snapshot.ts";
import { makeStorage, type TestStorage } from "../bed/storage.ts";
import { type FakeEngine, startFakeEngine } from "../fakes/docker-engine.ts";

const shelf = openShelf();
let scratch: string;
let registry: TestRegistry;
let storage: TestStorage;
let engine: FakeEngine;
let image: TestImage;
let digest: string;
let id: string;
let tree: unknown;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "ke-"));
  [registry, storage, engine, image] = await Promise.all([
    startRegistry(),
    makeStorage(),
    startFakeEngine(scratch),
    shelf.build({
      layers: [etcdLike(), { "etc/second": "2\n", "usr/bin/.wh.etcd": "", [`${"long/".repeat(30)}name`]: "long" }],
      config: { labels: { "a.label": "its value" } },
    }),
  ]);
  digest = await topDigest(image);
  await push(image.reference, `${registry.host}/team/etcd:v1`, { unchanged: true });
  const name = "registry.example/team/etcd:v1";
  for (const target of [
    `oci-archive:${scratch}/o.tar:v1`,
    `docker-archive:${scratch}/d.tar:${name}`,
    `dir:${scratch}/dir`,
  ]) {
    await run("skopeo", "copy", "-q", image.reference, target);
  }
  engine.images.set(name, await readFile(join(scratch, "d.tar")));
  await storage.add(image.reference, name);
});

afterAll(async () => {
  await Promise.all([registry.stop(), engine.stop(), storage.remove()]);
  await rm(scratch, { recursive: true });
});

const archived = ["docker-archive", "docker-daemon"];
const references: Readonly<Record<string, () => string>> = {
  docker: () => `${registry.host}/team/etcd:v1`,
  oci: () => image.reference,
  "oci-archive": () => `oci-archive:${scratch}/o.tar:v1`,
  "docker-archive": () => `docker-archive:${scratch}/d.tar`,
  dir: () => `dir:${scratch}/dir`,
  "docker-daemon": () => "docker-daemon:registry.example/team/etcd:v1",
  "containers-storage": () => `${storage.prefix}registry.example/team/etcd:v1`,
};

/** Runs keelson where the Docker daemon is the one of this test. */
async function keelson(host: Host, ...args: readonly string[]): Promise<Ran> {
  return runKeelson(["--root", host.root, ...args], { environment: { DOCKER_HOST: engine.host } });
}

async function answer(host: Host, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await keelson(host, "--json", ...args);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

const lists = "/var/lib/keelson/images/layers";
const installed = (host: Host) => takeSnapshot(host.path("/var/lib/keelson/deployments/etcd/current/rootfs"));

describe.each(Object.keys(references))("%s", (transport) => {
  it("gives the image that every other transport gives: pulled, installed, listed, healed, updated, removed", async () => {
    const reference = references[transport]?.() ?? "";
    const host = await makeHost();
    const pulled = await answer(host, "pull", "--tls-verify=false", reference);
    id ??= String(pulled.id);
    if (!archived.includes(transport)) expect(pulled.digest).toBe(digest);
    expect(pulled.id, "65: the image's id").toBe(id);

    const { status, stderr } = await keelson(host, "install", "--tls-verify=false", "--name", "etcd", reference);
    expect([status, stderr.match(/already here/g)?.length], stderr).toEqual([
      0,
      transport === "docker" ? undefined : 2,
    ]);
    const found = await installed(host);
    tree ??= found;
    expect(found, "65 and 68: its tree").toEqual(tree);

    const info = await answer(host, "info", "etcd");
    expect(info, "66: what is recorded").toMatchObject({ digest: pulled.digest, id });
    expect((await keelson(host, "images")).stdout, "70").toMatch(/^> /m);
    expect((await keelson(host, "info", id.slice(7, 19))).stdout, "69 and 71").toContain("its value");
    expect((await keelson(host, "images", "rm", reference)).status, "63").toBe(4);

    await rm(host.path(`${lists}`), { recursive: true });
    const again = await keelson(host, "pull", "--tls-verify=false", reference);
    expect([again.status, again.stderr.match(/already here/g)], `67: ${again.stderr}`).toEqual([0, null]);
    expect((await keelson(host, "verify")).status).toBe(0);
    expect((await keelson(host, "update", "--tls-verify=false", "etcd")).stdout).toContain("Latest version already");
    await answer(host, "uninstall", "etcd");
    expect((await keelson(host, "images", "rm", reference)).status, "62").toBe(0);
    expect(host.has("/var/lib/keelson")).toBe(false);
  });

  it("is a source of copy and inspect, its digests kept or the change told", async () => {
    const reference = references[transport]?.() ?? "";
    const host = await makeHost();
    const target = await mkdtemp(join(scratch, "copy-"));
    onTestFinished(() => rm(target, { recursive: true }));
    // What is made for an archive is a Docker manifest, and skopeo finds none but OCI's in a layout.
    const format = archived.includes(transport) ? ["--format", "oci"] : [];
    const copied = await keelson(
      host,
      "--json",
      "copy",
      "--tls-verify=false",
      ...format,
      reference,
      `oci:${target}:v1`,
    );
    expect(copied.status, copied.stderr).toBe(0);
    const document = JSON.parse(copied.stdout);
    const unpacked = transport === "containers-storage";
    expect(document.digest === document.sourceDigest).toBe(!unpacked && format.length === 0);
    expect(copied.stderr.includes("keeps layers unpacked")).toBe(unpacked);
    if (!archived.includes(transport)) expect(document.sourceDigest).toBe(digest);
    const config = await keelson(host, "inspect", "--config", "--tls-verify=false", reference);
    expect(await run("skopeo", "inspect", "--config", "--raw", `oci:${target}:v1`)).toBe(config.stdout);
    await run("umoci", "unpack", "--image", `${target}:v1`, join(target, "unpacked"));
    const compressed = ["copy", "--tls-verify=false", "--compress", "zstd", ...format, reference, `oci:${target}:v2`];
    expect((await answer(host, ...compressed)).digest).not.toBe(document.digest);
    expect((await keelson(host, "pull", `oci:${target}:v2`)).status).toBe(0);
  });
});

it("a copy from podman's store keeps its digest where the destination has the layers as they were", async () => {
  const host = await makeHost();
  const reference = references["containers-storage"]?.() ?? "";
  const target = `docker://${registry.host}/team/etcd:v2`;
  const copied = await answer(host, "copy", "--tls-verify=false", reference, target);
  expect(copied).toMatchObject({ digest, sourceDigest: digest, copied: 0, present: 3, bytes: 0 });
});

it("an image goes to a Docker daemon as it is, and comes back", async () => {
  const host = await makeHost();
  await answer(host, "copy", image.reference, "docker-daemon:registry.example/given:v1");
  engine.images.set("registry.example/given:v1", engine.loaded.at(-1) ?? Buffer.alloc(0));
  expect(await answer(host, "pull", "docker-daemon:registry.example/given:v1")).toMatchObject({ id });
});

it("stores of container engines are not written to", async () => {
  const host = await makeHost();
  expect((await host.refused(2, "copy", image.reference, "containers-storage:given")).code).toBe("E_REFERENCE");
});
