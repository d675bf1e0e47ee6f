import { appendFile, chmod, lchown, mkdir, readdir, rm, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { byPath, flip, repair } from "../bed/repair.ts";

const shelf = openShelf();
const state = "/var/lib/keelson";
let image: TestImage;

type Damage = (path: string) => Promise<unknown>;

beforeAll(async () => {
  image = await shelf.build({ layers: [etcdLike()], config: { command: ["/usr/bin/etcd"] } });
});

async function installed(): Promise<Host> {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", image.reference);
  return host;
}

describe("72: verify --repair, on the host", () => {
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
