import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { type FaultyRegistry, startFaultyRegistry, stored, tar } from "../fakes/faulty-registry.ts";
import { addBlob, addManifest, type Described } from "../fakes/registry.ts";
import { pull } from "./pull.ts";

let faulty: FaultyRegistry;

beforeEach(async () => {
  faulty = await startFaultyRegistry();
});

afterEach(() => faulty.stop());

describe("a registry that lies", () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ["a shorter length", (response) => response.writeHead(200, { "content-length": 10 }).end(stored.subarray(0, 10))],
    [
      "a longer length",
      (response) =>
        response.writeHead(200, { "content-length": stored.length + 1 }).end(Buffer.concat([stored, Buffer.of(0)])),
    ],
    ["more bytes than described", (response) => response.writeHead(200).end(Buffer.concat([stored, Buffer.alloc(10)]))],
    [
      "a changed byte",
      (response) => response.writeHead(200).end(Buffer.concat([stored.subarray(0, -1), Buffer.of(99)])),
    ],
    ["another blob", (response) => response.writeHead(200).end(gzipSync(randomBytes(stored.length - 1000)))],
  ])("is caught: %s", async (_what, answer) => {
    faulty.onLayer((_request, response) => {
      answer(response);
      return true;
    });
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: expect.stringMatching("E_DIGEST|E_REGISTRY") });
  });

  it("is not read to an end that never comes", async () => {
    let sent = 0;
    faulty.onLayer((_request, response) => {
      const more = (error?: Error | null): void => {
        sent += 1024 * 1024;
        if (!error) response.write(Buffer.alloc(1024 * 1024, 0x1f), more);
      };
      response.writeHead(200).write(stored, more);
      return true;
    });
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_DIGEST" });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it.each([["an encoded blob", { "content-encoding": "gzip" }, "E_REGISTRY"]])(
    "is refused for %s",
    async (_what, headers, code) => {
      faulty.onLayer((_request, response) => {
        response.writeHead(200, headers).end(stored);
        return true;
      });
      await expect(pull(faulty.reference)).rejects.toMatchObject({ code });
    },
  );

  it.each([
    ["a web page", "text/html", "<html>log in</html>", "E_REGISTRY"],
    ["a schema 1 image", "application/vnd.docker.distribution.manifest.v1+prettyjws", "{}", "E_MANIFEST"],
    ["a manifest under another type", "application/vnd.docker.distribution.manifest.v2+json", undefined, "E_MANIFEST"],
    ["a manifest without end", "application/vnd.oci.image.manifest.v1+json", "{".repeat(5 * 1024 * 1024), "E_LIMIT"],
  ])("is refused for %s", async (_what, type, body, code) => {
    faulty.fake.fault = (request, response) => {
      if (!request.url?.includes("/manifests/")) return false;
      response.writeHead(200, { "content-type": type }).end(body ?? faulty.fake.manifests.get("v1")?.bytes);
      return true;
    };
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code });
  });

  it("is refused for a manifest that has not the digest asked for", async () => {
    const asked = faulty.fake.manifests.get("v1");
    const wrong = `sha256:${"0".repeat(64)}`;
    if (asked) faulty.fake.manifests.set(wrong, asked);
    await expect(pull(`${faulty.fake.host}/team/app@${wrong}`)).rejects.toMatchObject({ code: "E_DIGEST" });
  });

  it("is refused for a manifest that it gives another digest than it has", async () => {
    faulty.fake.fault = (request, response) => {
      if (request.url?.includes("/manifests/")) response.setHeader("docker-content-digest", `sha256:${"1".repeat(64)}`);
      return false;
    };
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_DIGEST" });
  });

  it("is refused for a configuration that was changed", async () => {
    const config = [...faulty.fake.blobs.keys()].find((digest) => digest !== faulty.layer.digest) ?? "";
    faulty.fake.blobs.set(
      config,
      Buffer.from(faulty.fake.blobs.get(config)?.toString().replace("linux", "Linux") ?? ""),
    );
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_DIGEST" });
  });

  it("is followed through indexes, but not for ever", async () => {
    const type = "application/vnd.oci.image.index.v1+json";
    let inner = { mediaType: "", digest: "", size: 0 } as unknown as Described;
    const manifest = faulty.fake.manifests.get("v1");
    if (manifest) inner = addManifest(faulty.fake, "depth0", JSON.parse(manifest.bytes.toString()));
    for (let depth = 1; depth <= 9; depth++) {
      inner = addManifest(faulty.fake, `depth${depth}`, {
        schemaVersion: 2,
        mediaType: type,
        manifests: [inner],
      } as never);
    }
    expect((await pull(`${faulty.fake.host}/team/app:depth8`)).tars).toEqual([digestOf(tar)]);
    await expect(pull(`${faulty.fake.host}/team/app:depth9`)).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  it("is not asked for a document that is described as too large", async () => {
    const config = {
      ...addBlob(faulty.fake, "application/vnd.oci.image.config.v1+json", Buffer.from("{}")),
      size: 5 * 1024 * 1024,
    };
    addManifest(faulty.fake, "large", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config,
      layers: [],
    } as never);
    await expect(pull(`${faulty.fake.host}/team/app:large`)).rejects.toMatchObject({ code: "E_LIMIT" });
    expect(faulty.fake.requests.some((request) => request.path.includes("/blobs/"))).toBe(false);
  });
});
