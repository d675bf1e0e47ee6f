import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseImageConfig } from "../../src/image/config.ts";
import { type Digest, digestOf } from "../../src/image/digest.ts";
import { checkout } from "../../src/store/checkout.ts";
import { readImages, type StoredImage, writeImage } from "../../src/store/images.ts";
import { takeLock } from "../../src/store/lock.ts";
import { forgetImages, pruneIfMarked } from "../../src/store/prune.ts";
import { openStage } from "../../src/store/stage.ts";
import { makeState, readTree, removeEmptyStore, type StorePaths, storePaths } from "../../src/store/store.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";

const limits = { entries: 1000, bytes: 2 ** 30 };

function layer(...names: readonly string[]): Buffer {
  return tarArchive(...names.map((name) => tarEntry({ name }, `content of ${name}`)));
}

/** Puts an image of these layers into the store, and publishes it unless told otherwise. */
async function put(
  paths: StorePaths,
  reference: string,
  layers: readonly Buffer[],
  publish = true,
): Promise<StoredImage> {
  const [diffIds, descriptor] = [layers.map((tar) => digestOf(tar)), "application/vnd.oci.image.layer.v1.tar"];
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: diffIds } }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
      layers: layers.map((tar) => ({ mediaType: descriptor, digest: digestOf(tar), size: tar.length })),
    }),
  );
  const stage = openStage(paths, limits);
  for (const [index, tar] of layers.entries()) {
    const diffId = diffIds[index] as Digest;
    await stage.addLayer(diffId, stage.hasLayer(diffId) ? undefined : () => piece(tar));
  }
  const digest = digestOf(manifest);
  const commit = stage.commit(digest, parseImageConfig(config, layers.length, "test"));
  const image = { reference, digest, id: digestOf(config), commit, pulled: "2026-01-02T03:04:05Z", kept: true };
  if (publish) {
    stage.publish(image, manifest, config);
    writeImage(paths.images, image, manifest, config);
  } else stage.discard();
  return image;
}

async function* piece(tar: Buffer): AsyncGenerator<Buffer> {
  yield tar;
}

function fsck(paths: StorePaths): string {
  return runProgram("ostree", ["fsck", `--repo=${paths.repository}`]);
}

function filesBelow(paths: StorePaths): readonly string[] {
  const rows = runProgram("find", [paths.state, "-type", "f", "-printf", "%P\\n"]).trim().split("\n");
  return rows.filter((row) => row !== "").sort();
}

function newStore(): StorePaths {
  return storePaths(join(scratchDirectory(), "keelson"));
}

describe("forgetting an image", () => {
  it("leaves what another image shares with it, and nothing that only it had", async () => {
    const paths = newStore();
    const keep = await put(paths, "h/keep:1", [layer("shared"), layer("mine")]);
    const before = filesBelow(paths);
    const gone = await put(paths, "h/gone:1", [layer("shared"), layer("theirs"), layer("mine too")]);
    expect(filesBelow(paths).length).toBeGreaterThan(before.length);
    forgetImages(paths, [gone]);
    expect(filesBelow(paths)).toEqual(before);
    expect(fsck(paths)).toContain("fsck of 1 commits completed successfully - no errors found");
    const tree = readTree(paths, keep);
    expect([...(tree?.children.keys() ?? [])].sort()).toEqual(["mine", "shared"]);
  });

  it("of two names removes one, and the objects with the last", async () => {
    const paths = newStore();
    const [a, b] = [await put(paths, "h/a:1", [layer("f")]), await put(paths, "h/b:1", [layer("f")])];
    const before = filesBelow(paths);
    forgetImages(paths, [a]);
    expect(filesBelow(paths)).toEqual(before);
    expect(fsck(paths)).toContain("1 commits");
    forgetImages(paths, [b]);
    expect(filesBelow(paths)).toEqual(["images/index.json", "images/oci-layout", "repo/config"]);
  });

  it("leaves a deployment of it whole", async () => {
    const paths = newStore();
    const image = await put(paths, "h/a:1", [layer("f")]);
    const tree = readTree(paths, image);
    if (tree === undefined) throw new Error("no tree");
    const stage = openStage(paths, limits);
    const out = join(paths.state, "out");
    checkout(stage.repository, tree, out);
    forgetImages(paths, [image]);
    expect(readFileSync(join(out, "f"), "utf8")).toBe("content of f");
  });

  it("that was cut short is finished by the next writer", async () => {
    const paths = newStore();
    await put(paths, "h/a:1", [layer("f")]);
    const before = filesBelow(paths);
    const gone = await put(paths, "h/b:1", [layer("g")]);
    const indexBefore = readFileSync(join(paths.images, "index.json"), "utf8");
    forgetImages(paths, [gone]);
    const index = readFileSync(join(paths.images, "index.json"), "utf8");
    // As after a crash: the name is gone, what it named is there, and the mark stands.
    await put(paths, "h/b:1", [layer("g")]);
    expect(readFileSync(join(paths.images, "index.json"), "utf8")).toBe(indexBefore);
    writeFileSync(join(paths.images, "index.json"), index);
    writeFileSync(join(paths.images, "unswept"), "");
    pruneIfMarked(paths);
    expect(filesBelow(paths)).toEqual(before);
    expect(fsck(paths)).toContain("no errors found");
  });

  it("that was cut short is finished though an image comes in between", async () => {
    const paths = newStore();
    await put(paths, "h/a:1", [layer("f")]);
    const stray = join(paths.repository, "objects/00", `${"0".repeat(62)}.file`);
    mkdirSync(dirname(stray));
    writeFileSync(stray, "");
    writeFileSync(join(paths.images, "unswept"), "");
    await put(paths, "h/b:1", [layer("g")]);
    expect(existsSync(stray)).toBe(true);
    pruneIfMarked(paths);
    expect(existsSync(stray)).toBe(false);
  });
});

describe("the store", () => {
  it("is removed without a trace once it is empty, and not before", async () => {
    const paths = newStore();
    const image = await put(paths, "h/a:1", [layer("f")]);
    mkdirSync(join(paths.deployments, "etcd"), { recursive: true });
    mkdirSync(dirname(paths.journal));
    const lock = takeLock(paths.lock, "test");
    removeEmptyStore(paths);
    expect(readImages(paths.images)).toHaveLength(1);
    forgetImages(paths, [image]);
    removeEmptyStore(paths);
    expect(existsSync(paths.repository)).toBe(true);
    runProgram("rmdir", [join(paths.deployments, "etcd")]);
    removeEmptyStore(paths);
    expect(existsSync(paths.state)).toBe(false);
    lock.release();
  });

  it("is as it was when an image is staged and discarded", async () => {
    const paths = newStore();
    await put(paths, "h/a:1", [layer("f")]);
    const before = filesBelow(paths);
    await put(paths, "h/b:1", [layer("f"), layer("g")], false);
    expect(filesBelow(paths)).toEqual(before);
  });

  it("reads a layer again whose objects are lost, and has the image whole then", async () => {
    const paths = newStore();
    await put(paths, "h/a:1", [layer("f", "g")]);
    runProgram("find", [join(paths.repository, "objects"), "-name", "*.file", "-delete"]);
    await put(paths, "h/a:1", [layer("f", "g")]);
    expect(fsck(paths)).toContain("no errors found");
  });

  it("is closed to other users, whoever made its directory and whatever the umask", () => {
    const umask = process.umask(0);
    try {
      for (const mode of [undefined, 0o755, 0o700]) {
        const paths = newStore();
        if (mode !== undefined) mkdirSync(paths.state);
        if (mode !== undefined) chmodSync(paths.state, mode);
        makeState(paths);
        expect(statSync(paths.state).mode & 0o7777).toBe(0o700);
      }
    } finally {
      process.umask(umask);
    }
  });

  it("leaves the directories above it open", () => {
    const root = scratchDirectory();
    const paths = storePaths(join(root, "var/lib/keelson"));
    makeState(paths);
    expect(["var", "var/lib"].map((name) => statSync(join(root, name)).mode & 0o777)).toEqual([0o755, 0o755]);
    const other = scratchDirectory();
    takeLock(join(other, "var/lib/keelson/lock"), "test").release();
    expect(["var", "var/lib", "var/lib/keelson"].map((name) => statSync(join(other, name)).mode & 0o777)).toEqual([
      0o755, 0o755, 0o700,
    ]);
  });
});
