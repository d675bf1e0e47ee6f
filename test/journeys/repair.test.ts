import { appendFile, chmod, lchown, mkdir, rm, stat, symlink, unlink, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import type { LayerFiles } from "../bed/layer-files.ts";
import { byPath, flip, repair } from "../bed/repair.ts";
import { run } from "../bed/run.ts";

const shelf = openShelf();
const state = "/var/lib/keelson";
const rootfs = `${state}/deployments/foo/1/rootfs`;
let image: TestImage;

type Damage = (path: string) => Promise<unknown>;

const setUser = (value: string, name = "note"): Damage => {
  return (path) => run("setfattr", "-h", "-n", `user.${name}`, "-v", value, path);
};

/** What is done to the entry of that name in a directory of its own. */
const damages: Readonly<Record<string, readonly [entry: string, problem: string, damage: Damage]>> = {
  "a changed byte": ["tool", "changed", flip],
  "a longer file": ["tool", "changed", (path) => appendFile(path, "more")],
  "a changed mode": ["tool", "changed", (path) => chmod(path, 0o4755)],
  "a changed attribute": ["tool", "changed", setUser("other")],
  "an added attribute": ["tool", "changed", setUser("1", "more")],
  "a changed owner": ["tool", "changed", (path) => lchown(path, 0, 0)],
  "a missing file": ["tool", "missing", unlink],
  "a foreign file": ["third", "foreign", (path) => writeFile(path, "")],
  "a foreign directory": ["third", "foreign", (path) => mkdir(`${path}/below`, { recursive: true })],
  "another target of a link": ["link", "changed", (path) => unlink(path).then(() => symlink("x", path))],
  "the owner of a link": ["link", "changed", (path) => lchown(path, 7, 7)],
  "a directory for a file": [
    "tool",
    "changed",
    (path) => unlink(path).then(() => mkdir(`${path}/x`, { recursive: true })),
  ],
  "a link for a file": ["tool", "changed", (path) => unlink(path).then(() => symlink("x", path))],
  "a missing directory": ["deep", "missing", (path) => rm(path, { recursive: true })],
  "a file for a directory": [
    "deep",
    "changed",
    (path) => rm(path, { recursive: true }).then(() => writeFile(path, "")),
  ],
  "the mode of a directory": ["deep", "changed", (path) => chmod(path, 0o777)],
  "the attributes of a directory": [
    "deep",
    "changed",
    (path) => run("setfattr", "-x", "user.note", path).then(() => setUser("1", "more")(path)),
  ],
  "a file for a fifo": ["pipe", "changed", (path) => unlink(path).then(() => writeFile(path, ""))],
  "another device": ["device", "changed", (path) => unlink(path).then(() => run("mknod", path, "c", "1", "5"))],
};

/** Every directory has files of its own: the same content would be one inode. */
function entries(name: string): LayerFiles {
  const note = { "user.note": "as it was" };
  return {
    [`${name}/tool`]: { kind: "file", content: `tool of ${name}\n`, mode: 0o755, uid: 3, gid: 4, xattrs: note },
    [`${name}/link`]: { kind: "symlink", target: `tool of ${name}` },
    [`${name}/deep`]: { kind: "directory", mode: 0o711, uid: 5, xattrs: note },
    [`${name}/deep/more/text`]: `text of ${name}\n`,
    [`${name}/pipe`]: { kind: "fifo", mode: 0o600, gid: 9 },
    [`${name}/device`]: { kind: "character", major: 1, minor: 3 },
  };
}

beforeAll(async () => {
  const layer = Object.assign({}, ...Object.keys(damages).map(entries)) as LayerFiles;
  image = await shelf.build({ layers: [etcdLike(), { "second layer": "" }, layer] });
});

async function installed(): Promise<Host> {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", image.reference);
  return host;
}

describe("72: verify --repair", () => {
  it("finds nothing to do where nothing is wrong, and changes nothing", async () => {
    const host = await installed();
    const before = await host.snapshot();
    expect(await repair(host)).toMatchObject({ status: 0, clean: true, repaired: [], findings: [], restart: [] });
    expect((await host.keelson("verify", "--repair", "foo")).stdout).toBe("all is as it was installed\n");
    expect(await host.snapshot()).toEqual(before);
  });

  it("heals whatever is wrong in the tree, each by itself, and nothing that is in use is written to", async () => {
    const host = await installed();
    const whole = await host.snapshot();
    const rows = Object.entries(damages).map(([name, [entry, problem, damage]]) => {
      return { path: host.path(`${rootfs}/${name}/${entry}`), problem, damage };
    });
    for (const { path, damage } of rows) await damage(path);
    const flipped = host.path(`${rootfs}/a changed byte/tool`);
    const { ino } = await stat(flipped);
    const expected = rows.map(({ path, problem }) => ({ container: "foo", generation: 1, path, problem }));
    const { findings } = JSON.parse((await host.keelson("--json", "verify", "foo")).stdout);
    expect(byPath(findings)).toEqual(byPath(expected));

    const outcome = await repair(host, "foo");
    expect([outcome.status, outcome.findings]).toEqual([0, []]);
    expect(byPath(outcome.repaired)).toMatchObject(byPath(expected));
    expect(await host.snapshot()).toEqual(whole);
    expect((await stat(flipped)).ino).not.toBe(ino);
    expect((await stat(flipped)).nlink).toBe(2);
    expect(await repair(host)).toMatchObject({ status: 0, repaired: [] });
  });

  it.each<[string, Damage]>([
    ["is missing", (path) => rm(path, { recursive: true })],
    ["has another mode", (path) => chmod(path, 0o777)],
    ["is a link", (path) => rm(path, { recursive: true }).then(() => symlink("/srv", path))],
  ])("heals a deployment whose root %s", async (_, damage) => {
    const host = await installed();
    const whole = await host.snapshot();
    await damage(host.path(rootfs));
    expect(await repair(host)).toMatchObject({
      status: 0,
      repaired: [{ path: host.path(rootfs), source: "the store" }],
    });
    expect(await host.snapshot()).toEqual(whole);
  });

  it.each<[string, string, Damage]>([
    ["objects", "repo/objects", (path) => rm(path, { recursive: true })],
    ["manifests and configurations", "images/blobs/sha256", (path) => rm(path, { recursive: true })],
    ["change lists", "images/layers", (path) => rm(path, { recursive: true })],
    ["refs", "repo/refs/heads/keelson", (path) => rm(path, { recursive: true })],
    ["the list of images", "images/index.json", unlink],
    ["a list of images that cannot be read", "images/index.json", flip],
    ["all that is known of images", "images", (path) => rm(path, { recursive: true })],
  ])("heals the store when it has lost %s", async (_, path, damage) => {
    const host = await installed();
    const whole = await host.snapshot();
    await damage(host.path(`${state}/${path}`));
    const { status, findings, repaired } = await repair(host);
    expect([status, findings]).toEqual([0, []]);
    expect(repaired.length).toBeGreaterThan(0);
    expect(repaired.every(({ container }) => container === null)).toBe(true);
    expect(await host.snapshot()).toEqual(whole);
  });
});
