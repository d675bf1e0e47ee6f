import {
  appendFile,
  chmod,
  lchown,
  mkdir,
  readdir,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import type { LayerFiles } from "../bed/layer-files.ts";
import { flip, repair } from "../bed/repair.ts";
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

  it.each<[string, Readonly<Record<string, Damage>>]>([
    [
      "edited",
      {
        "/etc/systemd/system/foo.service": (path) => appendFile(path, "# edited\n"),
        "/etc/systemd/system/multi-user.target.wants/foo.service": (path) =>
          unlink(path).then(() => symlink("/dev/null", path)),
        "/etc/tmpfiles.d/keelson-foo.conf": (path) => truncate(path),
        "/etc/foo/etcd.conf": (path) => chmod(path, 0o666),
        "/usr/local/bin/fooctl": (path) => lchown(path, 7, 0),
        [`${state}/deployments/foo/1/config.json`]: (path) => appendFile(path, " "),
      },
    ],
    [
      "removed",
      {
        "/etc/systemd/system/foo.service": unlink,
        "/etc/systemd/system/multi-user.target.wants/foo.service": (path) => rm(dirname(path), { recursive: true }),
        "/etc/tmpfiles.d/keelson-foo.conf": unlink,
        "/etc/foo/etcd.conf": (path) => rm(dirname(path), { recursive: true }),
        "/usr/local/bin/fooctl": (path) => rm(dirname(path), { recursive: true }),
        [`${state}/deployments/foo/1/config.json`]: unlink,
      },
    ],
    [
      "of another type",
      {
        "/etc/systemd/system/foo.service": (path) => unlink(path).then(() => symlink("/dev/null", path)),
        "/etc/systemd/system/multi-user.target.wants/foo.service": (path) =>
          unlink(path).then(() => writeFile(path, "no link\n")),
        "/etc/foo/etcd.conf": (path) => unlink(path).then(() => symlink("/etc/passwd", path)),
      },
    ],
  ])("heals files of the host that were %s, from the record", async (_, files) => {
    const host = await installed();
    const whole = await host.snapshot();
    for (const [path, damage] of Object.entries(files)) await damage(host.path(path));
    const { status, findings, repaired } = await repair(host);
    expect([status, findings]).toEqual([0, []]);
    expect(repaired.map(({ path }) => path).sort()).toEqual(Object.keys(files).sort());
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

  it("leaves drop-ins and whatever else stands beside the unit as they are", async () => {
    const host = await installed();
    const unit = "/etc/systemd/system/foo.service";
    await mkdir(host.path(`${unit}.d`));
    await writeFile(host.path(`${unit}.d/limits.conf`), "[Service]\nMemoryMax=1G\n");
    await writeFile(host.path(`${unit}.bak`), "mine\n");
    const before = await host.snapshot();
    await writeFile(host.path(unit), "");
    expect(await repair(host)).toMatchObject({
      status: 0,
      repaired: [{ path: unit }],
      dropIns: [{ container: "foo", path: `${unit}.d/limits.conf` }],
    });
    expect(await host.snapshot()).toEqual(before);
  });

  it("heals a host file out of a directory of the host from the deployment's copy, and the copy from the file", async () => {
    const host = await makeHost();
    await mkdir(host.path("/srv/tree/usr"), { recursive: true });
    await mkdir(host.path("/srv/tree/exports/hostfs/etc"), { recursive: true });
    await writeFile(host.path("/srv/tree/exports/hostfs/etc/file"), "as it was\n");
    await writeFile(host.path("/srv/tree/exports/manifest.json"), '{"noContainerService": true}');
    await host.answer("install", "--name", "foo", "--rootfs", "/srv/tree", image.reference);
    await rm(host.path("/srv/tree/exports"), { recursive: true });
    const whole = await host.snapshot();
    const copies = `${state}/deployments/foo/1/files`;
    const copy = `${copies}/${(await readdir(host.path(copies)))[0]}`;
    for (const path of ["/etc/file", copy]) {
      await flip(host.path(path));
      expect(await repair(host)).toMatchObject({ status: 0, repaired: [{ path }] });
      expect(await host.snapshot()).toEqual(whole);
    }
    for (const path of ["/etc/file", copy]) await flip(host.path(path));
    const { status, findings } = await repair(host);
    expect([status, findings.map(({ path }) => path).sort()]).toEqual([9, ["/etc/file", copy]]);
  });

  it("names what it cannot heal, with the reason, and heals the rest", async () => {
    const host = await installed();
    await host.answer("update", "--set", "PORT=1", "foo");
    const record = host.path(`${state}/deployments/foo/1/deployment.json`);
    await writeFile(record, "{");
    await unlink(host.path("/etc/foo/etcd.conf"));
    await mkdir(host.path("/etc/foo/etcd.conf"));
    await unlink(host.path("/usr/local/bin/fooctl"));
    const { status, clean, findings, repaired } = await repair(host);
    expect([status, clean]).toEqual([9, false]);
    expect(repaired).toMatchObject([{ path: "/usr/local/bin/fooctl" }]);
    expect(byPath(findings)).toMatchObject([
      { path: "/etc/foo/etcd.conf", reason: expect.stringContaining("not keelson's") },
      { container: "foo", generation: 1, path: record, problem: "changed" },
    ]);
    expect((await host.keelson("verify", "--repair")).stdout).toContain("/etc/foo/etcd.conf is changed: ");
    await rm(host.path("/etc/foo/etcd.conf"), { recursive: true });
    expect((await repair(host)).findings).toHaveLength(1);
  });
});

function byPath<T extends { readonly path: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
