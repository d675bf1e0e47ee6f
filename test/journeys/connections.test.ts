import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { type Host, makeHost, startKeelson } from "../bed/journey.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { addBlob, addManifest, type Described, type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";

let fake: FakeRegistry;
let host: Host;

beforeEach(async () => {
  fake = await startFakeRegistry();
  host = await makeHost();
});

afterEach(() => fake.stop());

/** Keeps an image of these layers, each a file `file` and one of its own; what describes them. */
function addImage(contents: readonly string[]): readonly Described[] {
  const tars = contents.map((text) => tarArchive(tarEntry({ name: "file" }, text), tarEntry({ name: text }, text)));
  const layers = tars.map((tar) => addBlob(fake, "application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(tar)));
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
  const document = { os: "linux", architecture: "amd64", config: { Cmd: ["/file"] }, rootfs };
  const config = addBlob(fake, "application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(document)));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  addManifest(fake, "v1", { schemaVersion: 2, mediaType, config, layers } as { readonly mediaType: string });
  return layers;
}

/** Holds back what is asked of these blobs until `count` of them were asked for; then they are answered last first. */
function answerInReverse(blobs: readonly Described[], count: number): void {
  const held: (() => void)[] = [];
  fake.fault = (request, response) => {
    const blob = blobs.find(({ digest }) => request.url?.endsWith(digest));
    if (blob === undefined) return false;
    held.push(() => response.writeHead(200).end(fake.blobs.get(blob.digest)));
    if (held.length === count) answerNext(held);
    return true;
  };
}

function answerNext(held: (() => void)[]): void {
  held.pop()?.();
  if (held.length > 0) setImmediate(answerNext, held);
}

function blobRequests(layers: readonly Described[]): readonly number[] {
  const asked = fake.requests.map(({ path }) => layers.findIndex(({ digest }) => path.endsWith(digest)));
  return asked.filter((index) => index >= 0);
}

const install = (...more: readonly string[]): readonly string[] => [
  "install",
  "--tls-verify=false",
  ...more,
  `${fake.host}/team/app:v1`,
];

it("three layers are fetched at once, and lie on one another in their order whichever comes first", async () => {
  const layers = addImage(["one", "two", "three"]);
  answerInReverse(layers, 3);
  await host.answer(...install("--name", "app"));
  expect(host.read("/var/lib/keelson/deployments/app/current/rootfs/file")).toBe("three");
  expect(host.read("/var/lib/keelson/deployments/app/current/rootfs/one")).toBe("one");
});

it("no more layers are fetched at once than the settings allow", async () => {
  const layers = addImage(["one", "two", "three", "four"]);
  const setting = host.path("/etc/keelson/keelson.conf");
  await mkdir(dirname(setting), { recursive: true });
  writeFileSync(setting, "connections = 2\n");
  let open = 0;
  let most = 0;
  fake.fault = (request, response) => {
    if (!layers.some(({ digest }) => request.url?.endsWith(digest))) return false;
    most = Math.max(most, ++open);
    response.on("finish", () => {
      open -= 1;
    });
    return false;
  };
  await host.answer(...install("--name", "app"));
  expect(most).toBeLessThanOrEqual(2);
  expect(blobRequests(layers).toSorted()).toEqual([0, 1, 2, 3]);
});

it("a layer that an image has twice, or another image brought, is fetched once", async () => {
  const layers = addImage(["one", "two", "one"]);
  await host.answer(...install("--name", "app"));
  expect(blobRequests(layers).toSorted()).toEqual([0, 1]);
  expect(host.read("/var/lib/keelson/deployments/app/current/rootfs/file")).toBe("one");
  const more = addImage(["two", "three"]);
  await host.answer("pull", "--tls-verify=false", `${fake.host}/other/app:v1`);
  expect(blobRequests(more)).toEqual([0, 1]);
});

it("a layer that fails ends the others, though they are silent, and nothing is left", async () => {
  const layers = addImage(["one", "two", "three"]);
  const waiting: ServerResponse[] = [];
  let broken: ServerResponse | undefined;
  fake.fault = (request, response) => {
    const index = layers.findIndex(({ digest }) => request.url?.endsWith(digest));
    if (index < 0) return false;
    if (index === 1) broken = response;
    else response.writeHead(200, { "content-length": layers[index]?.size }).flushHeaders();
    if (waiting.push(response) === 3) broken?.writeHead(200).end(Buffer.alloc(layers[1]?.size ?? 0, 1));
    return true;
  };
  const { code, message } = await host.refused(1, ...install());
  expect(code).toMatch(/E_DIGEST|E_LAYER/);
  expect(message).toContain(`${fake.host}/team/app:v1: ${layers[1]?.digest}`);
  expect(waiting).toHaveLength(3);
});

it("all that is under way ends with an interrupt, and nothing is left", async () => {
  const layers = addImage(["one", "two", "three"]);
  const before = await host.snapshot();
  const asked = new Promise<void>((resolve) => {
    let count = 0;
    fake.fault = (request, response) => {
      if (!layers.some(({ digest }) => request.url?.endsWith(digest))) return false;
      response.writeHead(200).flushHeaders();
      count += 1;
      if (count === 3) resolve();
      return true;
    };
  });
  const running = await startKeelson(["--root", host.root, ...install()]);
  await asked;
  running.child.kill("SIGINT");
  expect((await running.ended).status).toBe(130);
  expect(await host.snapshot()).toEqual(before);
});
