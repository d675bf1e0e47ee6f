import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, type TestImage, topDigest } from "../bed/images.ts";
import { run } from "../bed/run.ts";
import { makeStorage, type TestStorage } from "../bed/storage.ts";
import { type Pulled, pull, testOptions } from "./pull.ts";

let scratch: string;
let storage: TestStorage;
let image: TestImage;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-storage-conf-"));
  [storage, image] = await Promise.all([makeStorage(), buildImage({ layers: [{ file: "content" }] })]);
  await storage.add(image.reference, "localhost/team/app:v1");
});

afterAll(async () => {
  await Promise.all([image?.remove(), storage?.remove()]);
  await rm(scratch, { recursive: true, force: true });
});

describe("storage.conf", () => {
  /** The image as it is found below a host with this file. */
  async function below(conf: string, path = "etc/containers"): Promise<Pulled> {
    const prefix = await mkdtemp(join(scratch, "host-"));
    await run("mkdir", "-p", join(prefix, path), `${prefix}/srv`, `${prefix}/var/lib/containers`);
    await writeFile(join(prefix, path, "storage.conf"), conf);
    await cp(`${storage.root}/overlay-images`, `${prefix}/srv/images/overlay-images`, { recursive: true });
    for (const at of ["srv/store", "var/lib/containers/storage"]) await symlink(storage.root, join(prefix, at));
    return pull("containers-storage:localhost/team/app:v1", {
      ...testOptions,
      hostFiles: { prefix, home: "/nonexistent" },
    });
  }

  it.each([
    ["the host's", '[storage]\ndriver = "overlay"\ngraphroot = "/srv/store"\n', "etc/containers"],
    ["the vendor's", '[storage]\ngraphroot = "/srv/store"\n', "usr/share/containers"],
    ["the older name of the driver", '[storage]\ndriver = "overlay2"\ngraphroot = "/srv/store"\n', "etc/containers"],
    ["the usual place", "[storage]\n", "etc/containers"],
    [
      "a further store of images",
      '[storage]\ngraphroot = "/srv"\n[storage.options]\nadditionalimagestores = ["/srv/store"]\n',
      "etc/containers",
    ],
    [
      "images in a place of their own",
      '[storage]\ngraphroot = "/srv/store"\nimagestore = "/srv/images"\n',
      "etc/containers",
    ],
  ])("says where the store is: %s", async (_, conf, path) => {
    expect((await below(conf, path)).digest).toBe(await topDigest(image));
  });

  it.each([
    ['[storage]\ndriver = "btrfs"\n', "E_SOURCE", /its driver is btrfs, and keelson reads overlay and vfs/],
    ['[storage]\ndriver = "vfs"\n', "E_SOURCE", /no store of the driver vfs; there is one of the driver overlay/],
    ['[storage]\ngraphroot = "/none"\n', "E_SOURCE", /\/none is no store of the driver overlay or vfs$/],
    ["[storage]\ngraphroot = 3\n", "E_SETTINGS", /storage\.graphroot/],
    ["[storage\n", "E_SETTINGS", /storage\.conf, line 1/],
  ])("%j is refused", async (conf, code, message) => {
    await expect(below(conf)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
