import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { takeSnapshot } from "../bed/snapshot.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { watchRegistry } from "../bed/watched-registry.ts";
import { type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";

const shelf = openShelf();
const large = (name: string, content = randomBytes(600_000)) => ({ name: `usr/lib/${name}`, content, mode: 0o755 });
const utf8 = (text: string): string => Buffer.from(text).toString("latin1");
const kept = [large("a.so"), large("b.so"), large("c.so"), large(utf8("café.so")), large("moved.so")];
const small = (version: string) => ({ name: "etc/version", content: Buffer.from(version), mode: 0o644 });
const fresh = randomBytes(300_000);
const before = [large("changed.so"), ...kept, large("gone.so"), small("1\n"), { ...small(""), name: "usr/lib/empty" }];
/** One large file has other bytes, one is gone, one is new, and of all the time is another; of one the mode, too. */
const after = [
  large("changed.so"),
  ...kept.map((file, at) => ({ ...file, mtime: 1_700_000_000, mode: at === 2 ? 0o700 : 0o755 })),
  large("new.so", fresh),
  small("2\n"),
];

const command = { config: { command: ["/bin/true"] } };

/** podman's zstd:chunked of a tar has to have nothing behind its two blocks of zeros. */
const pack = (files: readonly { readonly name: string; readonly content: Buffer; readonly mode: number }[]): Buffer =>
  tarArchive(...files.map(({ content, ...spec }) => tarEntry(spec, content)));

const sizeOfNew = 900_000;

let registry: TestRegistry;
let v1: TestImage;
let v2: TestImage;

/** The same image, its layers in the form zstd:chunked, in a layout of its own. */
async function chunked(image: TestImage): Promise<TestImage> {
  const copy = await shelf.build({ layers: [] });
  await run("rm", "-r", copy.directory);
  const form = ["--dest-compress", "--dest-compress-format", "zstd:chunked"];
  await run("skopeo", "copy", "-q", ...form, image.reference, copy.reference);
  return copy;
}

beforeAll(async () => {
  [registry, v1, v2] = await Promise.all([
    startRegistry(),
    shelf.build({ layers: [pack(before)], ...command }).then(chunked),
    shelf.build({ layers: [pack(after)], ...command }).then(chunked),
  ]);
  await push(v1.reference, `${registry.host}/team/app:v1`, { unchanged: true });
  await push(v2.reference, `${registry.host}/team/app:v2`, { unchanged: true });
});

afterAll(() => registry.stop());

interface Layer {
  readonly digest: string;
  readonly size: number;
  readonly annotations: Record<string, string>;
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly [Layer];
}

async function manifestOf(image: TestImage): Promise<Manifest> {
  return JSON.parse(await run("skopeo", "inspect", "--raw", image.reference));
}

/** What the image unpacks to where nothing of it is known. */
async function expected(image: TestImage): Promise<unknown> {
  const host = await makeHost();
  await host.answer("install", "--name", "app", image.reference);
  return takeSnapshot(host.path("/var/lib/keelson/deployments/app/current/rootfs"));
}

const treeOf = (host: Host): Promise<unknown> =>
  takeSnapshot(host.path("/var/lib/keelson/deployments/app/current/rootfs"));

it("of a layer in the form zstd:chunked only the files that are not here are fetched", async () => {
  const [watched, host, { layers }] = [await watchRegistry(registry.host), await makeHost(), await manifestOf(v2)];
  await host.answer("install", "--tls-verify=false", "--name", "app", `${watched.host}/team/app:v1`);
  watched.forget();
  const rebase = ["--tls-verify=false", "--rebase", `${watched.host}/team/app:v2`, "app"];
  const plan = await host.keelson("--json", "plan", "update", ...rebase);
  watched.forget();
  await host.answer("update", ...rebase);
  const parts = watched.asked().filter(({ what }) => what === `blobs/${layers[0].digest}`);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  expect(bytes).toBeGreaterThan(sizeOfNew);
  expect(bytes).toBeLessThan(sizeOfNew + 100_000);
  expect(layers[0].size).toBeGreaterThan(3_000_000);
  expect(JSON.parse(plan.stdout).fetch, "as the plan says").toMatchObject({ bytes, layers: 1 });
  expect(await treeOf(host)).toEqual(await expected(v2));
  expect((await host.keelson("verify")).status).toBe(0);
});

it("where nothing is here yet, the layer is fetched as a whole, in one request", async () => {
  const [watched, host, { layers }] = [await watchRegistry(registry.host), await makeHost(), await manifestOf(v1)];
  await host.answer("install", "--tls-verify=false", "--name", "app", `${watched.host}/team/app:v1`);
  const asked = watched.asked().filter(({ what }) => what === `blobs/${layers[0].digest}`);
  expect(asked.map(({ bytes }) => bytes)).toEqual([layers[0].size]);
  expect(await treeOf(host)).toEqual(await expected(v1));
});

describe("a registry", () => {
  let fake: FakeRegistry;
  let host: Host;

  beforeEach(async () => {
    [fake, host] = await Promise.all([startFakeRegistry(), makeHost()]);
    onTestFinished(() => fake.stop());
    await host.answer("install", "--name", "app", v1.reference);
    await give(v2);
  });

  /** Puts the image into the registry, under `latest`. */
  async function give(image: TestImage, change: (manifest: Manifest) => void = () => undefined): Promise<void> {
    const manifest = await manifestOf(image);
    for (const { digest } of [manifest.config, ...manifest.layers]) {
      fake.blobs.set(digest, await readFile(join(image.directory, "blobs/sha256", digest.slice(7))));
    }
    change(manifest);
    const type = "application/vnd.oci.image.manifest.v1+json";
    fake.manifests.set("latest", { type, bytes: Buffer.from(JSON.stringify(manifest)) });
  }

  const update = (): readonly string[] => ["update", "--tls-verify=false", "--rebase", `${fake.host}/app`, "app"];
  const ranges = (): readonly (string | undefined)[] =>
    fake.requests.filter(({ path }) => /blobs/.test(path)).map(({ headers }) => headers.range);

  it("that gives no parts is asked for the whole, once it has said so", async () => {
    const { layers } = await manifestOf(v2);
    const blob = fake.blobs.get(layers[0].digest);
    fake.fault = (request, response) => {
      if (request.headers.range === undefined) return false;
      response.writeHead(200, { "content-length": blob?.length }).end(blob);
      return true;
    };
    await host.answer(...update());
    expect(ranges().map((range) => range !== undefined)).toEqual([false, true, false]);
    expect(await treeOf(host)).toEqual(await expected(v2));
  });

  it.each<[string, (manifest: Manifest) => void]>([
    [
      "that is not the one of its digest",
      ({ layers: [{ annotations }] }) => {
        annotations["io.containers.zstd-chunked.manifest-checksum"] = `sha256:${"0".repeat(64)}`;
      },
    ],
    [
      "that would be elsewhere",
      ({ layers: [{ annotations }] }) => {
        annotations["io.containers.zstd-chunked.manifest-position"] = "999999999:10:10:1";
      },
    ],
    [
      "that is larger than it may be",
      ({ layers: [{ annotations }] }) => {
        annotations["io.containers.zstd-chunked.manifest-position"] = "10:10:999999999:1";
      },
    ],
  ])("whose layer has a table of contents %s is asked for the whole", async (_, change) => {
    await give(v2, change);
    await host.answer(...update());
    expect(ranges().at(-1)).toBeUndefined();
    expect(await treeOf(host)).toEqual(await expected(v2));
  });

  it("that lies about a part is found out, and nothing is changed", async () => {
    const { layers } = await manifestOf(v2);
    const blob = fake.blobs.get(layers[0].digest) ?? Buffer.alloc(0);
    const tableAt = Number(layers[0].annotations["io.containers.zstd-chunked.manifest-position"]?.split(":")[0]);
    // The new file's bytes are stored as they are: a bit of them changes nothing but the content.
    const at = blob.indexOf(fresh.subarray(100_000, 100_020));
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(tableAt);
    blob[at] = (blob[at] ?? 0) ^ 1;
    expect(await host.refused(1, ...update())).toMatchObject({ code: "E_DIGEST" });
  });

  it("is asked for a file that was damaged here, and not for the others", async () => {
    await host.answer(...update());
    const asked = (): number => fake.requests.filter(({ headers }) => headers.range !== undefined).length;
    const undamaged = asked();
    const other = await makeHost();
    await other.answer("install", "--name", "app", v1.reference);
    const path = other.path("/var/lib/keelson/deployments/app/current/rootfs/usr/lib/a.so");
    const bytes = await readFile(path);
    bytes[7] = (bytes[7] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await other.answer(...update());
    // One file fewer between two parts: they are one.
    expect(asked() - undamaged).toBe(undamaged - 1);
    expect((await other.keelson("verify", "--repair")).status).toBe(0);
    expect(await treeOf(other)).toEqual(await expected(v2));
  });
});
