import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseImageConfig } from "../../src/image/config.ts";
import { digestOf } from "../../src/image/digest.ts";
import { nodeAt } from "../../src/layer/tree.ts";
import { openRepository } from "../../src/store/repository.ts";
import { openStage } from "../../src/store/stage.ts";
import { type StorePaths, storePaths } from "../../src/store/store.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";

const limits = { entries: 1000, bytes: 2 ** 30 };
const below = tarArchive(tarEntry({ name: "lower" }, "below"), tarEntry({ name: "same" }, "the same"));
const above = tarArchive(tarEntry({ name: "upper" }, "above"), tarEntry({ name: "same" }, "the same"));

async function* piece(tar: Buffer): AsyncGenerator<Buffer> {
  yield tar;
}

/** A store with one image of one layer. */
async function newStore(): Promise<StorePaths> {
  const paths = storePaths(join(scratchDirectory(), "keelson"));
  const stage = openStage(paths, limits);
  const diffId = digestOf(below);
  await stage.addLayer(diffId, () => piece(below));
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [diffId] } }),
  );
  const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size: below.length };
  const described = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config) };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { ...described, size: config.length },
      layers: [layer],
    }),
  );
  const digest = digestOf(manifest);
  const commit = stage.commit(digest, parseImageConfig(config, 1, "test"));
  const pulled = "2026-01-02T03:04:05Z";
  stage.publish({ reference: "h/a:1", digest, id: digestOf(config), commit, pulled, kept: true }, manifest, config);
  return paths;
}

const listing = (paths: StorePaths): string =>
  runProgram("find", [paths.state, "-printf", "%P %y %s %T@ %C@ %n\\n"]).split("\n").sort().join("\n");

it("a stage beside the store takes from it what is there, writes only what is not, and leaves nothing", async () => {
  const [paths, scratch] = [await newStore(), scratchDirectory()];
  const before = listing(paths);
  const stage = openStage(paths, limits, scratch);
  expect([stage.hasLayer(digestOf(below)), stage.hasLayer(digestOf(above))]).toEqual([true, false]);
  await stage.addLayer(digestOf(below));
  await stage.addLayer(digestOf(above), () => piece(above));
  expect(stage.hasLayer(digestOf(above))).toBe(true);
  const tree = stage.tree();
  const read = (name: string): readonly [string, boolean] => {
    const node = nodeAt(tree, name);
    if (node?.kind !== "file") throw new Error(`no file ${name}`);
    const path = stage.repository.locate(node.object, "file");
    return [readFileSync(path, "utf8"), path.startsWith(`${paths.repository}/`)];
  };
  expect(["lower", "same", "upper"].map(read)).toEqual([
    ["below", true],
    ["the same", true],
    ["above", false],
  ]);
  expect(stage.commit(digestOf(above), parseImageConfig(Buffer.from(config), 2, "test"))).toMatch(/^[0-9a-f]{64}$/);
  expect(readdirSync(scratch)).toHaveLength(1);
  stage.discard();
  expect([readdirSync(scratch), listing(paths)]).toEqual([[], before]);
});

const config = JSON.stringify({
  os: "linux",
  architecture: "amd64",
  rootfs: { type: "layers", diff_ids: [digestOf(below), digestOf(above)] },
});

it("nor is there anything of it where there is no store, and it cannot be published", async () => {
  const [paths, scratch] = [storePaths(join(scratchDirectory(), "keelson")), scratchDirectory()];
  const stage = openStage(paths, limits, scratch);
  expect(stage.hasLayer(digestOf(below))).toBe(false);
  await stage.addLayer(digestOf(below), () => piece(below));
  const image = { digest: digestOf(below), id: digestOf(below), commit: "", pulled: "", kept: false };
  expect(() => stage.publish(image, Buffer.alloc(0), Buffer.alloc(0))).toThrow("outside the store");
  stage.discard();
  expect([readdirSync(scratch), existsSync(paths.state)]).toEqual([[], false]);
});

/** Where the content objects of a store are. */
const objectsOf = (paths: StorePaths): readonly string[] =>
  runProgram("find", [join(paths.repository, "objects"), "-name", "*.file"])
    .trim()
    .split("\n");

it("a layer of the store is not taken from there when an object of it is lost", async () => {
  const [paths, scratch] = [await newStore(), scratchDirectory()];
  const [object = ""] = objectsOf(paths);
  runProgram("rm", [object]);
  const stage = openStage(paths, limits, scratch);
  expect(stage.hasLayer(digestOf(below))).toBe(false);
  stage.discard();
});

it("a repository with a parent has what the parent has, and says so when it is nowhere", async () => {
  const [paths, directory] = [await newStore(), scratchDirectory()];
  const [object = ""] = objectsOf(paths);
  const name = object.split("/").slice(-2).join("").replace(".file", "");
  const repository = openRepository(join(directory, "repo"), { parent: paths.repository });
  expect([repository.has(name, "file"), repository.locate(name, "file")]).toEqual([true, object]);
  const alone = openRepository(join(directory, "alone"));
  expect(alone.has(name, "file")).toBe(false);
  expect(() => alone.locate(name, "file")).toThrow(expect.objectContaining({ code: "E_STORE" }));
});
