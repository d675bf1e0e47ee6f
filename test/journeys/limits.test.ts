import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";
import {
  addBlob,
  addManifest,
  type Described,
  type FakeRegistry,
  refuse,
  startFakeRegistry,
} from "../fakes/registry.ts";

const indexType = "application/vnd.oci.image.index.v1+json";
let fake: FakeRegistry;
let layers: readonly Described[];
/** Bytes of the image's larger document. */
let largest: number;

beforeEach(async () => {
  fake = await startFakeRegistry();
  const tars = ["a", "b"].map((name) => tarArchive(tarEntry({ name }, randomBytes(4 * 1024 * 1024))));
  layers = tars.map((tar) => addBlob(fake, "application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(tar, { level: 1 })));
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
  const document = Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", rootfs }));
  const config = addBlob(fake, "application/vnd.oci.image.config.v1+json", document);
  const image = add("v1", { mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers });
  const platform = { os: "linux", architecture: "amd64" };
  const inner = add("inner", { mediaType: indexType, manifests: [{ ...image, platform }] });
  add("deep", { mediaType: indexType, manifests: [inner] });
  add("wide", { mediaType: indexType, manifests: [image, image, { ...image, platform }] });
  largest = Math.max(image.size, config.size);
});

afterEach(() => fake.stop());

function add(tag: string, document: { readonly mediaType: string; readonly [key: string]: unknown }): Described {
  return addManifest(fake, tag, { schemaVersion: 2, ...document } as { readonly mediaType: string });
}

const pullOf = (tag: string): readonly string[] => ["pull", "--tls-verify=false", `${fake.host}/team/app:${tag}`];

/** With `enough` the image comes, with one less it is refused before a byte of a layer was asked for, and the hint says why. */
async function expectLimit(tag: string, key: string, enough: number): Promise<void> {
  const host = await makeHost();
  host.write("etc/keelson/keelson.conf", `${key} = ${enough - 1}\n`);
  const failure = await host.refused(1, ...pullOf(tag));
  expect(failure.code).toBe("E_LIMIT");
  expect(failure.hint).toContain(`raise ${key} in keelson.conf`);
  expect(fake.requests.filter(({ path }) => layers.some(({ digest }) => path.endsWith(digest)))).toEqual([]);
  host.write("etc/keelson/keelson.conf", `${key} = ${enough}\n`);
  await host.answer(...pullOf(tag));
  // What was let in stays readable when less is let in.
  host.write("etc/keelson/keelson.conf", `${key} = ${enough - 1}\n`);
  expect(await host.answer("images")).toHaveLength(1);
}

describe("a limit of documents, on both sides:", () => {
  it.each([
    ["v1", "image_layers", 2],
    ["wide", "index_entries", 3],
    ["deep", "index_depth", 2],
  ])("of %s, %s = %i", (tag, key, enough) => expectLimit(tag, key, enough));

  it("document_size", () => expectLimit("v1", "document_size", largest));
});

describe("a limit of requests, on both sides:", () => {
  async function expectRequests(key: string, enough: number, asked: string, hint: string): Promise<void> {
    const host = await makeHost();
    host.write("etc/keelson/keelson.conf", `${key} = ${enough - 1}\n`);
    expect(await host.refused(1, ...pullOf("v1"))).toMatchObject({
      code: "E_REGISTRY",
      hint: expect.stringContaining(hint),
    });
    const before = fake.requests.length;
    host.write("etc/keelson/keelson.conf", `${key} = ${enough}\n`);
    await host.answer(...pullOf("v1"));
    const requests = fake.requests.slice(before).filter(({ path }) => path.includes(asked));
    expect(requests).toHaveLength(enough + (key === "tries" ? 0 : 1));
  }

  it("tries", async () => {
    let failures = 0;
    fake.fault = (request, response) =>
      request.url?.includes("manifests") === true &&
      failures++ < 4 &&
      refuse(response, 503, "UNAVAILABLE", { "retry-after": "0" });
    await expectRequests("tries", 3, "manifests", "try again");
  });

  it("redirects", async () => {
    const digest = layers[0]?.digest ?? "";
    fake.fault = (request, response) => {
      const [, hop = "0"] = new RegExp(`${digest}(?:\\?hop=([0-9]+))?$`).exec(request.url ?? "") ?? [];
      if (!request.url?.includes(digest) || hop === "3") return false;
      response.writeHead(302, { location: `${request.url.split("?")[0]}?hop=${Number(hop) + 1}` }).end();
      return true;
    };
    await expectRequests("redirects", 3, digest, "raise redirects in keelson.conf");
  });
});

describe("free_space", () => {
  /** A host with 24 MiB of its own, and percent of what is free there that the image leaves. */
  async function smallHost(): Promise<{ readonly host: Host; readonly left: number }> {
    const disk = await mkdtemp(join(tmpdir(), "keelson-disk-"));
    await run("mount", "-t", "tmpfs", "-o", "size=24m", "keelson-test", disk);
    onTestFinished(async () => {
      await run("umount", disk);
      await rm(disk, { recursive: true });
    });
    const host = await makeHost(disk);
    const free = Number((await run("df", "--block-size=1", "--output=avail", disk)).split("\n")[1]);
    const size = layers.reduce((total, layer) => total + layer.size, 0);
    return { host, left: 100 - (100 * size) / free };
  }

  it("is left by an image, or nothing of it is fetched; what the store has is not counted", async () => {
    const { host, left } = await smallHost();
    host.write("etc/keelson/keelson.conf", `free_space = ${Math.ceil(left) + 1}\n`);
    const failure = await host.refused(1, ...pullOf("v1"));
    expect(failure).toMatchObject({ code: "E_NO_SPACE", hint: expect.stringContaining("lower free_space") });
    expect(fake.requests.filter(({ path }) => layers.some(({ digest }) => path.endsWith(digest)))).toEqual([]);
    host.write("etc/keelson/keelson.conf", `free_space = ${Math.floor(left) - 1}\n`);
    await host.answer(...pullOf("v1"));
    host.write("etc/keelson/keelson.conf", "free_space = 99\n");
    await host.answer(...pullOf("v1"));
  });
});
