import { gzipSync } from "node:zlib";
import { expect, it, onTestFinished } from "vitest";
import type { Digest } from "../../src/image/digest.ts";
import { parsePlatform } from "../../src/image/platform.ts";
import { parseReference } from "../../src/image/reference.ts";
import { openSource } from "../../src/source/open.ts";
import { addImage, addManifest, type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";
import { testOptions } from "./pull.ts";

const platform = parsePlatform("linux/amd64");
const tar = Buffer.alloc(1024);

/** A registry with an image under `one`, and an index of that and another image under `many`. */
async function startRegistry(): Promise<FakeRegistry> {
  const fake = await startFakeRegistry();
  onTestFinished(() => fake.stop());
  addImage(fake, "one", gzipSync(tar), tar);
  const one = fake.manifests.get("one");
  if (one === undefined) throw new Error("no image");
  const chosen = addManifest(fake, "one", JSON.parse(one.bytes.toString()));
  const manifests = [
    { ...chosen, platform: { os: "linux", architecture: "amd64" } },
    { ...chosen, digest: `sha256:${"0".repeat(64)}`, platform: { os: "linux", architecture: "arm64" } },
  ];
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
  addManifest(fake, "many", index);
  return fake;
}

it.each<[string, string, (digest: Digest, config: Digest) => boolean, readonly string[]]>([
  ["nothing, of an image", "one", () => false, ["manifest", "config"]],
  ["the configuration", "one", (digest, config) => digest === config, ["manifest"]],
  ["everything, of an image", "one", () => true, ["manifest"]],
  ["nothing, of an index", "many", () => false, ["manifest", "chosen", "config"]],
  ["the manifest that is chosen", "many", (digest, config) => digest !== config, ["manifest", "config"]],
  ["everything, of an index", "many", () => true, ["manifest"]],
])("asks a registry for the tag alone, and what is not at hand: %s", async (_, tag, has, asked) => {
  const fake = await startRegistry();
  const reference = `${fake.host}/app:${tag}`;
  const first = openSource(parseReference(reference), testOptions);
  onTestFinished(() => first.close());
  const image = await first.resolve(platform);
  const documents = new Map<Digest, Uint8Array>([
    [image.digest, image.manifestBytes],
    [image.manifest.config.digest, image.configBytes],
  ]);
  const before = fake.requests.length;
  const source = openSource(parseReference(reference), testOptions);
  onTestFinished(() => source.close());
  const at = (digest: Digest): Uint8Array | undefined =>
    has(digest, image.manifest.config.digest) ? documents.get(digest) : undefined;
  expect(await source.resolve(platform, at)).toEqual(image);
  const names: Readonly<Record<string, string>> = {
    [`/v2/app/manifests/${tag}`]: "manifest",
    [`/v2/app/manifests/${image.digest}`]: "chosen",
    [`/v2/app/blobs/${image.manifest.config.digest}`]: "config",
  };
  expect(fake.requests.slice(before).map(({ path }) => names[path] ?? path)).toEqual(asked);
});
