import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { configTemplate, etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage } from "../bed/images.ts";
import { failureOf, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { addImage, addManifest, type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";

const shelf = openShelf();
let registry: TestRegistry;
let fake: FakeRegistry;
let etcd: TestImage;

beforeAll(async () => {
  [registry, fake, etcd] = await Promise.all([
    startRegistry(),
    startFakeRegistry(),
    shelf.build({ layers: [etcdLike()] }),
  ]);
  await push(etcd.reference, `${registry.host}/etcd:v1`);
});

afterAll(() => Promise.all([registry.stop(), fake.stop()]));

/** The manifest of an image in the registry. */
async function manifestOf(
  name: string,
): Promise<{ config: { digest: string }; layers: readonly { digest: string }[] }> {
  return JSON.parse(await run("skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/${name}`));
}

/** Turns one bit of a blob in the registry's storage, its size unchanged. */
async function damageBlob(digest: string): Promise<void> {
  const hex = digest.slice("sha256:".length);
  const path = join(registry.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("66: an image from a registry that", () => {
  it.each<[string, (manifest: Awaited<ReturnType<typeof manifestOf>>) => string]>([
    ["layer", ({ layers }) => String(layers[1]?.digest)],
    ["configuration", ({ config }) => config.digest],
  ])("has a damaged %s leaves nothing", async (kind, digestOf) => {
    const image = await shelf.build({
      layers: [etcdLike(), { "etc/kind": randomBytes(64) }],
      config: { labels: { kind } },
    });
    await push(image.reference, `${registry.host}/${kind}:v1`);
    await damageBlob(digestOf(await manifestOf(`${kind}:v1`)));
    const host = await makeHost();

    const reference = `${registry.host}/${kind}:v1`;
    expect((await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference)).code).toBe("E_DIGEST");
    expect((await host.refused(1, "pull", "--tls-verify=false", reference)).code).toBe("E_DIGEST");
  });

  it("gives another manifest than the digest asks for leaves nothing", async () => {
    const { layer } = addImage(fake, "other", gzipSync(Buffer.alloc(1024)), Buffer.alloc(1024));
    const wanted = `sha256:${"a".repeat(64)}`;
    const other = fake.manifests.get("other");
    if (other !== undefined) fake.manifests.set(wanted, other);
    const host = await makeHost();

    const reference = `${fake.host}/etcd@${wanted}`;
    expect(layer.size).toBeGreaterThan(0);
    expect((await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference)).code).toBe("E_DIGEST");
  });

  it("names another diff id than the layer has leaves nothing", async () => {
    addImage(fake, "diff", gzipSync(Buffer.alloc(1024)), Buffer.alloc(2048));
    const host = await makeHost();
    const reference = `${fake.host}/etcd:diff`;
    expect((await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference)).code).toBe("E_DIGEST");
  });

  it("serves a layer that is no tar leaves nothing", async () => {
    const bytes = randomBytes(4096);
    addImage(fake, "noise", gzipSync(bytes), bytes);
    const host = await makeHost();
    const reference = `${fake.host}/etcd:noise`;
    expect((await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference)).code).toBe("E_LAYER");
  });

  it("serves a manifest that is none leaves nothing", async () => {
    addManifest(fake, "none", { mediaType: "application/vnd.oci.image.manifest.v1+json" });
    const host = await makeHost();
    const reference = `${fake.host}/etcd:none`;
    expect((await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference)).code).toBe(
      "E_MANIFEST",
    );
  });
});

describe("an install leaves nothing", () => {
  it("from what is not a registry", async () => {
    const server = createServer((_, response) => response.end("<html>welcome</html>"));
    onTestFinished(() => void server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const host = await makeHost();
    const reference = `127.0.0.1:${(server.address() as AddressInfo).port}/etcd:v1`;
    const failure = await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference);
    expect(failure.code).toMatch(/^E_(?:REGISTRY|MANIFEST)$/);
    expect(failure.message).toContain(reference);
  });

  it("from a registry that is not there", async () => {
    const host = await makeHost();
    const failure = await host.refused(1, "install", "--tls-verify=false", "--name", "foo", "127.0.0.1:1/etcd:v1");
    expect(failure).toMatchObject({ code: "E_REGISTRY", message: expect.stringContaining("127.0.0.1:1") });
  });

  it("of an image the registry does not have", async () => {
    const host = await makeHost();
    const reference = `${registry.host}/etcd:nope`;
    expect((await host.refused(1, "install", "--tls-verify=false", "--name", "foo", reference)).code).toBe(
      "E_REGISTRY",
    );
  });

  it("of an image for another platform", async () => {
    const host = await makeHost();
    const args = ["install", "--platform", "linux/s390x", "--name", "foo", etcd.reference];
    expect((await host.refused(1, ...args)).code).toBe("E_PLATFORM");
  });

  it.each<[string, string, string, string]>([
    ["E_CONTRACT", "manifest.json", "{", "Invalid manifest.json"],
    ["E_CONFIG", "config.json.template", `${configTemplate()}}`, "/exports/config.json.template"],
    ["E_UNIT", "service.template", "[Service]\nExecStart=$EXEC_START\nnonsense\n", "/exports/service.template, line 3"],
    ["E_TMPFILES", "tmpfiles.template", "d relative\n", "/exports/tmpfiles.template, line 1"],
    ["E_TEMPLATE", "service.hbs", "[Service]\nExecStart={{#if\n", "/exports/service.hbs"],
  ])("that ends with %s: bad /exports/%s", async (code, file, text, message) => {
    const replaced = file === "service.hbs" ? { "exports/service.template": undefined } : {};
    const image = await shelf.build({ layers: [etcdLike({ ...replaced, [`exports/${file}`]: text })] });
    const host = await makeHost();
    expect(await host.refused(1, "install", "--name", "foo", image.reference)).toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  it("that keeps images already there as they are", async () => {
    const host = await makeHost();
    await host.answer("pull", "--tls-verify=false", `${registry.host}/etcd:v1`);
    const args = ["install", "--runtime", "/nope", "--tls-verify=false", "--name", "foo", `${registry.host}/etcd:v1`];
    expect((await host.refused(1, ...args)).code).toBe("E_RUNTIME");
  });
});

describe("27: enabling that fails is taken back wholly and named", () => {
  it.each<[string, (units: string) => Promise<void>]>([
    ["multi-user.target.wants", (units) => writeFile(join(units, "multi-user.target.wants"), "mine\n")],
    [
      "multi-user.target.wants/foo.service",
      async (units) => {
        await mkdir(join(units, "multi-user.target.wants"));
        await symlink("/elsewhere", join(units, "multi-user.target.wants/foo.service"));
      },
    ],
  ])("when %s is in the way", async (path, prepare) => {
    const host = await makeHost();
    await mkdir(host.path("/etc/systemd/system"), { recursive: true });
    await prepare(host.path("/etc/systemd/system"));
    const failure = await host.refused(4, "install", "--name", "foo", etcd.reference);
    expect(failure).toMatchObject({ code: "E_FILE_EXISTS", message: expect.stringContaining(path) });
  });
});

it.each([
  ["enabled", "[Install]\nAlias=other.socket\n"],
  ["read", "[Install]\nno setting at all\n"],
])("27: a unit of Also= that cannot be %s takes back all that was done before", async (_, text) => {
  const template = serviceTemplate.replace("WantedBy", "Also=other.service\nWantedBy");
  const image = await shelf.build({ layers: [etcdLike({ "exports/service.template": template })] });
  const host = await makeHost();
  await mkdir(host.path("/usr/lib/systemd/system"), { recursive: true });
  await writeFile(host.path("/usr/lib/systemd/system/other.service"), text);

  expect(await host.refused(1, "install", "--name", "foo", image.reference)).toMatchObject({
    code: "E_UNIT",
    message: expect.stringContaining("other.service"),
  });
});

describe("a full disk", () => {
  /** A file system of its own that holds so much, and what a host there needs. */
  async function smallDisk(options: string): Promise<string> {
    const disk = await mkdtemp(join(tmpdir(), "keelson-disk-"));
    await run("mount", "-t", "tmpfs", "-o", options, "keelson-test", disk);
    onTestFinished(async () => {
      await run("umount", disk);
      await rm(disk, { recursive: true });
    });
    return disk;
  }

  it.each([
    ["", 8, 16],
    [", unpacked by threads,", 24, 32],
  ])("in the middle of a layer%s leaves nothing", async (_how, layer, disk) => {
    const image = await shelf.build({ layers: [etcdLike(), { "usr/large": randomBytes(layer * 1024 * 1024) }] });
    const host = await makeHost(await smallDisk(`size=${disk}m`));
    expect((await host.refused(1, "install", "--name", "foo", image.reference)).code).toBe("E_NO_SPACE");
  });

  it("anywhere else leaves nothing, or comes too late to matter", async () => {
    const codes = new Set<string>();
    const disk = await smallDisk("size=32m,nr_inodes=1000");
    const host = await makeHost(disk);
    const before = await host.snapshot();
    for (const free of [0, 12, 24, 40, 60, 90, 120, 160, 200, 400]) {
      const fillers = (await filesLeft(disk)) - free;
      for (let number = 0; number < fillers; number++) await writeFile(join(disk, `filler-${number}`), "");
      const ran = await host.keelson("--json", "install", "--name", "foo", etcd.reference);
      codes.add(ran.status === 0 ? "done" : failureOf(ran).code);
      for (let number = 0; number < fillers; number++) await rm(join(disk, `filler-${number}`));
      if (ran.status === 0) await host.answer("uninstall", "foo");
      expect(await host.snapshot(), `${free} inodes free`).toEqual(before);
    }
    expect([...codes].sort()).toEqual(["E_NO_SPACE", "done"]);
  });

  async function filesLeft(disk: string): Promise<number> {
    return Number((await run("df", "--output=iavail", disk)).split("\n")[1]);
  }
});
