import { mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, buildIndex, type TestImage, topDigest } from "../bed/images.ts";
import { run } from "../bed/run.ts";
import { makeStorage, type TestStorage } from "../bed/storage.ts";
import { endMarker, tarEntry } from "../bed/tar-writer.ts";
import { type Pulled, pull } from "./pull.ts";

let scratch: string;
let storage: TestStorage;
let image: TestImage;
let expected: Pulled;
let stored: string;

/** A name that is not UTF-8, and bytes behind the end marker, which are of the tar, too. */
const oddTar = Buffer.concat([tarEntry({ name: "caf\xe9", form: "gnu" }, "latin"), endMarker, Buffer.alloc(20_000)]);

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-storage-test-"));
  [storage, image] = await Promise.all([
    makeStorage(),
    buildImage({
      layers: [
        {
          "bin/tool": { kind: "file", content: "#!/bin/sh\n", mode: 0o4755, uid: 3, gid: 4 },
          "bin/twin": { kind: "hardlink", target: "bin/tool" },
          [`${"long/".repeat(40)}name`]: "long",
          empty: "",
          "etc/large": Buffer.alloc(3_000_000, "keelson"),
        },
        { "etc/.wh.large": "", pipe: { kind: "fifo" }, to: { kind: "symlink", target: "/etc" } },
        oddTar,
      ],
    }),
  ]);
  expected = await pull(image.reference);
  stored = await storage.add(image.reference, "localhost/team/app:v1");
});

afterAll(async () => {
  await Promise.all([image?.remove(), storage?.remove()]);
  await rm(scratch, { recursive: true, force: true });
});

/** A copy of the store, changed; the reference of the image in it. */
async function changed(change: (at: (path: string) => string) => Promise<unknown>): Promise<string> {
  const root = await mkdtemp(join(scratch, "changed-"));
  await run("cp", "-a", `${storage.root}/.`, root);
  await change((path) => path.replace(storage.root, root));
  return `containers-storage:[overlay@${root}]localhost/team/app:v1`;
}

const refusal = (code: string, message: RegExp): object => ({ code, message: expect.stringMatching(message) });

describe("an image in a store of podman", () => {
  it("is the one that came in, its digest and the tar of each layer unchanged, as skopeo gives it out", async () => {
    const found = await pull(stored);
    expect([found.digest, found.tars]).toEqual([expected.digest, expected.config.diffIds]);
    expect(Buffer.from(found.manifestBytes).equals(expected.manifestBytes)).toBe(true);
    await run("skopeo", "copy", "-q", stored, `dir:${scratch}/out`);
    expect((await pull(`dir:${scratch}/out`)).tars).toEqual(found.tars);
  });

  it("is found by its name, its digest, its id, the beginning of that, and both", async () => {
    const id = expected.manifest.config.digest.slice(7);
    const names = [
      `@${id}`,
      id,
      `@${id.slice(0, 12)}`,
      `localhost/team/app@${expected.digest}`,
      `localhost/team/app@${id}`,
    ];
    for (const name of names) expect((await pull(`${storage.prefix}${name}`)).digest, name).toBe(expected.digest);
    const [other] = await Promise.all([storage.add(image.reference, "busybox")]);
    expect((await pull(other)).digest).toBe(expected.digest);
    expect((await pull(`${storage.prefix}docker.io/library/busybox:latest`)).digest).toBe(expected.digest);
    expect((await pull(`containers-storage:[${storage.root}]busybox`)).digest).toBe(expected.digest);
  });

  it("may have files that are met through a link, which skopeo does not find again", async () => {
    const tar = Buffer.concat([
      tarEntry({ name: "real/", type: "5", mode: 0o755 }),
      tarEntry({ name: "link", type: "2", linkTarget: "/other" }),
      tarEntry({ name: "other", type: "2", linkTarget: "../real" }),
      tarEntry({ name: "link/through" }, "met through links"),
      endMarker,
    ]);
    const linked = await buildImage({ layers: [tar] });
    try {
      const found = await pull(await storage.add(linked.reference, "localhost/linked"));
      expect(found.tars).toEqual(found.config.diffIds);
    } finally {
      await linked.remove();
    }
  });

  it("that is not there is an error with what is", async () => {
    for (const name of [
      "team/app:v1",
      "localhost/team/app:v2",
      "@00000000",
      `localhost/team/app@sha256:${"0".repeat(64)}`,
    ]) {
      await expect(pull(`${storage.prefix}${name}`), name).rejects.toMatchObject(
        refusal("E_SOURCE", /no such image; there are .*localhost\/team\/app:v1/),
      );
    }
  });

  it("of an index is had by the digest of the index, too", async () => {
    const arm = await buildImage({ layers: [{ arm: "1" }], config: { architecture: "arm64" } });
    const index = await buildIndex([image, arm]);
    try {
      await storage.add(index.reference, "localhost/index:v1");
      const top = await topDigest(index);
      for (const name of ["localhost/index:v1", `localhost/index@${top}`]) {
        expect((await pull(`${storage.prefix}${name}`)).tars, name).toEqual(expected.tars);
      }
    } finally {
      await Promise.all([arm.remove(), index.remove()]);
    }
  });

  it("that buildah has built keeps its digest in a copy, and one of the driver vfs is read alike", async () => {
    const vfs = await makeStorage("vfs");
    try {
      const found = await pull(await vfs.add(image.reference, "localhost/app"));
      expect([found.digest, found.tars]).toEqual([expected.digest, expected.tars]);
      await writeFile(join(scratch, "Containerfile"), "FROM scratch\nCOPY file /file\n");
      await writeFile(join(scratch, "file"), "content");
      const at = ["--storage-driver", "vfs", "--root", vfs.root, "--runroot", `${vfs.root}-run`];
      await run("buildah", ...at, "build", "--isolation", "chroot", "-q", "-t", "localhost/built", scratch);
      await run("skopeo", "copy", "-q", `${vfs.prefix}localhost/built`, `dir:${scratch}/built`);
      expect((await pull(`${vfs.prefix}localhost/built`)).digest).toBe((await pull(`dir:${scratch}/built`)).digest);
      await expect(pull(`containers-storage:[overlay@${vfs.root}]localhost/app`)).rejects.toMatchObject(
        refusal("E_SOURCE", /no store of the driver overlay; there is one of the driver vfs/),
      );
    } finally {
      await rm(`${vfs.root}-run`, { recursive: true, force: true });
      await vfs.remove();
    }
  });

  it("with tar-splits in zstd, or not compressed, is read", async () => {
    const { split } = await storage.layer(expected.config.diffIds[0] ?? "");
    const plain = gunzipSync(await readFile(split));
    for (const bytes of [zstdCompressSync(plain), plain]) {
      expect((await pull(await changed((at) => writeFile(at(split), bytes)))).tars).toEqual(expected.tars);
    }
  });

  it.each<[string, (at: (path: string) => string) => Promise<unknown>, string, RegExp]>([
    [
      "a file was changed",
      (at) => tool().then((path) => writeFile(at(path), "#!/bin/SH\n")),
      "E_DIGEST",
      /have the digest/,
    ],
    [
      "a file has another size",
      (at) => tool().then((path) => truncate(at(path), 3)),
      "E_SOURCE",
      /bin\/tool has 3 bytes/,
    ],
    ["a file is gone", (at) => tool().then((path) => rm(at(path))), "E_SOURCE", /lacks \.\/bin\/tool/],
    [
      "a link took the place of a file",
      (at) => tool().then((path) => rm(at(path)).then(() => symlink("/etc/passwd", at(path)))),
      "E_SOURCE",
      /bin\/tool cannot be opened \(ELOOP\)/,
    ],
    [
      "a fifo took the place of a file",
      (at) => tool().then((path) => rm(at(path)).then(() => run("mkfifo", at(path)))),
      "E_SOURCE",
      /bin\/tool is not a regular file/,
    ],
    [
      "a directory leads out of the store",
      async (at) => {
        const directory = join(at(await tool()), "..");
        await rename(directory, join(scratch, "outside"));
        await symlink(join(scratch, "outside"), directory);
      },
      "E_SOURCE",
      /lacks \.\/bin\/tool/,
    ],
    ["a tar-split is gone", (at) => split().then((path) => rm(at(path))), "E_SOURCE", /has no .*tar-split\.gz/],
    ["a tar-split is cut off", (at) => split().then((path) => truncate(at(path), 60)), "E_SOURCE", /not sound/],
    ["a tar-split is none", (at) => split().then((path) => writeFile(at(path), '{"type":3}\n')), "E_SOURCE", /neither/],
    [
      "its layers are not listed",
      (at) => writeFile(at(`${storage.root}/overlay-layers/layers.json`), "[]"),
      "E_SOURCE",
      /its layer [0-9a-f]{64} is not there/,
    ],
    ["the list is no JSON", (at) => writeFile(at(images()), "["), "E_SOURCE", /images\.json is not JSON/],
    ["the list is none", (at) => writeFile(at(images()), "{}"), "E_SOURCE", /images\.json is not a list/],
    [
      "its manifest was changed",
      async (at) => {
        const path = at(join(images(), "..", expected.manifest.config.digest.slice(7), "manifest"));
        await writeFile(path, `${await readFile(path, "utf8")} `);
      },
      "E_DIGEST",
      /its manifest has the digest/,
    ],
    ["the store is gone", (at) => rm(at(storage.root), { recursive: true }), "E_SOURCE", /is no store/],
  ])("is refused when %s", async (_, change, code, message) => {
    await expect(pull(await changed(change))).rejects.toMatchObject(refusal(code, message));
  });
});

const images = (): string => join(storage.root, "overlay-images/images.json");
const split = async (): Promise<string> => (await storage.layer(expected.config.diffIds[0] ?? "")).split;
const tool = async (): Promise<string> =>
  join((await storage.layer(expected.config.diffIds[0] ?? "")).files, "bin/tool");
