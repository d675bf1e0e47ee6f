import { lstatSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { atomicDirectory, writeAtomic } from "../bed/atomic.ts";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Answer, type Host, makeHost } from "../bed/journey.ts";
import { insecure, openTag } from "../bed/tag.ts";

interface Imported extends Answer {
  readonly set: Readonly<Record<string, string>>;
  readonly lost: readonly string[];
  readonly remove: string;
  readonly image: string;
  readonly enabled: boolean;
}

const shelf = openShelf();
const bed = openTag();
let next: TestImage;
const more = {
  "usr/bin/tool": { kind: "file", content: "tool\n", mode: 0o4755, uid: 3, gid: 4, xattrs: { "user.note": "kept" } },
  "usr/bin/link": { kind: "symlink", target: "tool" },
  empty: { kind: "directory", mode: 0o1777 },
  "exports/hostfs/usr/local/bin/etcdctl": { kind: "file", content: Uint8Array.of(0x7f, 0xff, 0, 0xfe), mode: 0o755 },
} as const;
const layer = etcdLike(more);
beforeAll(async () => {
  next = await shelf.build({ layers: [etcdLike({ ...more, "usr/bin/etcd": "the next etcd\n" })] });
});

/** A host on which atomic has installed foo. */
async function withAtomic(changes: Partial<Parameters<typeof writeAtomic>[1]> = {}): Promise<Host> {
  const host = await makeHost();
  await writeAtomic(host, {
    name: "foo",
    image: bed.tag,
    files: layer,
    values: { PORT: "4001", EXTRA: "x" },
    ...changes,
  });
  return host;
}

const unit = "/etc/systemd/system/foo.service";
const deployment = "/var/lib/keelson/deployments/foo/current";

describe("import atomic", () => {
  it("takes over unit, values, host files and tree in one step, and an update goes on from there", async () => {
    const host = await withAtomic();
    const answer = await host.answer<Imported>("import", "atomic", "foo");
    expect(answer).toMatchObject({ name: "foo", image: bed.tag, enabled: true, lost: [] });
    expect(answer.set).toEqual({ PORT: "4001", EXTRA: "x" });
    expect(answer.values).toMatchObject({ UUID: "7d1a4f4c-95a3-4a4c-8c5d-0a6f1c1e2d10", RECEIVER: "World" });
    expect(host.read(unit)).toContain(`--bundle ${deployment} foo`);
    expect(host.read(unit)).not.toContain(atomicDirectory);
    expect(JSON.parse(host.read(`${deployment}/config.json`)).process.env).toContain("PORT=4001");
    expect(host.has("/etc/tmpfiles.d/foo.conf")).toBe(false);
    expect(host.read("/etc/tmpfiles.d/keelson-foo.conf")).toContain("d /var/lib/foo 0700");
    expect(answer.hostFiles.map(({ path, foreign }) => `${path} ${foreign}`)).toEqual([
      "/etc/foo/etcd.conf false",
      "/usr/local/bin/fooctl false",
    ]);
    expectTree(host);
    expect(await host.answer("verify")).toMatchObject({ clean: true, findings: [] });
    expect((await host.keelson("status")).status).toBe(0);
    expect(answer.remove).toBe(`rm -rf ${atomicDirectory}/foo ${atomicDirectory}/foo.0`);
    expect(readFileSync(host.path(`${atomicDirectory}/foo.0/rootfs/usr/bin/etcd`), "utf8")).toBe("the etcd program\n");

    await bed.publish(next);
    expect(await host.answer("update", insecure, "foo")).toMatchObject({ updated: true, set: { PORT: "4001" } });
    expect(host.read(`${deployment}/rootfs/usr/bin/etcd`)).toBe("the next etcd\n");
    await host.answer("rollback", "foo");
    expect(host.read(`${deployment}/rootfs/usr/bin/etcd`)).toBe("the etcd program\n");
    await host.answer("uninstall", "foo");
    for (const path of [unit, "/etc/foo/etcd.conf", "/usr/local/bin/fooctl", "/var/lib/keelson"])
      expect(host.has(path)).toBe(false);
  });

  it("says with --dry-run what it would do, and changes nothing", async () => {
    const host = await withAtomic();
    const before = await host.snapshot();
    const ran = await host.keelson("import", "atomic", "--dry-run", "foo");
    expect(ran.status, ran.stderr).toBe(10);
    expect(ran.stdout).toContain(`replace ${unit}\n`);
    expect(ran.stdout).toContain("remove /etc/tmpfiles.d/foo.conf\n");
    expect(await host.snapshot()).toEqual(before);
  });

  it("leaves what somebody has changed, and says it", async () => {
    const host = await withAtomic({ slot: 1 });
    host.write("/etc/foo/etcd.conf", "mine\n");
    host.write("/etc/tmpfiles.d/foo.conf", "d /mine\n");
    const config = `${atomicDirectory}/foo.1/config.json`;
    host.write(config, host.read(config).replace("PORT=4001", "PORT=4002"));
    rmSync(host.path("/etc/systemd/system/multi-user.target.wants/foo.service"));
    const ran = await host.keelson("--json", "import", "atomic", "foo");
    expect(ran.status, ran.stderr).toBe(0);
    const answer: Imported = JSON.parse(ran.stdout);
    expect(answer.lost).toEqual(["an edit of config.json: process.env.PORT"]);
    expect(answer.kept).toEqual(["/etc/tmpfiles.d/foo.conf"]);
    expect(answer.enabled).toBe(false);
    expect(answer.hostFiles).toContainEqual(expect.objectContaining({ path: "/etc/foo/etcd.conf", foreign: true }));
    expect(ran.stderr).toContain("/etc/tmpfiles.d/foo.conf was changed since atomic wrote it, and stays");
    await host.answer("uninstall", "foo");
    expect(host.read("/etc/foo/etcd.conf")).toBe("mine\n");
  });

  it("asks for the directories again that atomic made for the sources of mounts", async () => {
    const source = { destination: "/data", type: "bind", source: "/run/$NAME-data", options: ["rbind"] };
    const config = JSON.stringify({
      ...{ ociVersion: "1.0.2", process: { args: ["/usr/bin/etcd"], cwd: "/", user: { uid: 0, gid: 0 } } },
      ...{ root: { path: "rootfs", readonly: true }, mounts: [source] },
    });
    const host = await withAtomic({
      files: etcdLike({ "exports/config.json.template": config, "exports/tmpfiles.template": undefined }),
    });
    const line = "d    /run/foo-data   0700 0 0 - -\n";
    host.write(`${atomicDirectory}/foo.0/tmpfiles-foo.conf`, line);
    host.write("/etc/tmpfiles.d/foo.conf", line);
    host.write("/run/foo-data/.keep", "");
    await host.answer("import", "atomic", "foo");
    expect(host.read("/etc/tmpfiles.d/keelson-foo.conf")).toBe("d /run/foo-data 0700 0 0 - -\n");
  });

  it("takes the reference of --image, where atomic's leads nowhere", async () => {
    const host = await withAtomic({ image: "docker:foo:latest" });
    const refused = await host.refused(1, "import", "atomic", "foo");
    expect(refused).toMatchObject({ code: "E_ATOMIC", hint: expect.stringContaining("--image") });
    expect(await host.answer<Imported>("import", "atomic", "foo", "--image", bed.tag)).toMatchObject({
      image: bed.tag,
    });
  });

  it("of all, one that cannot be taken over stops no other, and those that are in no registry have to be named", async () => {
    const host = await withAtomic();
    await writeAtomic(host, { name: "bar", image: "etcd", files: layer });
    const ran = await host.keelson("--json", "import", "atomic", "--all");
    expect(ran.status).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject([{ name: "bar", error: { code: "E_REFERENCE" } }, { name: "foo" }]);
    expect(await host.answer("list")).toMatchObject([{ name: "foo" }]);
  });
});

describe("import atomic refuses, with nothing changed,", () => {
  const info = (changes: object) => (host: Host) => {
    const path = `${atomicDirectory}/foo.0/info`;
    host.write(path, JSON.stringify({ ...JSON.parse(host.read(path)), ...changes }));
  };
  it.each<[string, (host: Host) => void, string]>([
    ["a root filesystem of another place", info({ remote: "/srv/foo" }), "its root filesystem is /srv/foo (--rootfs)"],
    ["files without a service", info({ "has-container-service": false }), "it has host files and no service"],
    [
      "host files of a package",
      info({ "rpm-installed": "atomic-container-foo.rpm" }),
      "its host files came as atomic-container-foo.rpm, and are the package manager's",
    ],
    ["a service of a user's", info({ values: { HOST_UID: 1000 } }), "it is a user's (--user)"],
    [
      "an image by its digest",
      info({ image: "a.example/foo@sha256:12" }),
      "its image is named by a digest, a.example/foo@sha256:12",
    ],
    [
      "a file info that is none",
      (host) => host.write(`${atomicDirectory}/foo.0/info`, "{"),
      "its file info is not one that atomic writes",
    ],
    ["a unit that was edited", (host) => host.write(unit, `${host.read(unit)}#\n`), `${unit} is not what atomic wrote`],
    [
      "a checkout that is not whole",
      (host) => renameSync(host.path(`${atomicDirectory}/foo.0/config.json`), host.path("/config.json")),
      `${atomicDirectory}/foo.0/config.json is missing`,
    ],
    [
      "a config.json that is not the image's",
      (host) => rmSync(host.path(`${atomicDirectory}/foo.0/rootfs/exports/config.json.template`)),
      "its image brings no config.json, so that what runs is atomic's default or somebody's own",
    ],
    [
      "a link that leads elsewhere",
      (host) => {
        rmSync(host.path(`${atomicDirectory}/foo`));
        symlinkSync("/srv/other", host.path(`${atomicDirectory}/foo`));
      },
      `${atomicDirectory}/foo leads to other`,
    ],
  ])("%s", async (_, spoil, why) => {
    const host = await withAtomic();
    spoil(host);
    expect(await host.refused(1, "import", "atomic", "foo")).toMatchObject({
      code: "E_ATOMIC",
      message: `foo cannot be taken over: ${why}`,
    });
  });

  it("what is not there, what is keelson's already, and what the policy does not let in", async () => {
    const host = await withAtomic();
    expect(await host.refused(3, "import", "atomic", "bar")).toMatchObject({ code: "E_NOT_FOUND" });
    expect(await host.refused(2, "import", "atomic", "foo", "--all")).toMatchObject({ code: "E_USAGE" });
    host.write("/etc/containers/policy.json", '{"default": [{"type": "reject"}]}');
    expect(await host.refused(12, "import", "atomic", "foo")).toMatchObject({ code: "E_POLICY" });
    rmSync(host.path("/etc/containers/policy.json"));
    await host.answer("import", "atomic", "foo");
    expect(await host.refused(4, "import", "atomic", "foo")).toMatchObject({ code: "E_PRESENT" });
  });
});

/** The tree is the one that atomic had, owners and all. */
function expectTree(host: Host): void {
  const tool = lstatSync(host.path(`${deployment}/rootfs/usr/bin/tool`));
  expect([tool.mode & 0o7777, tool.uid, tool.gid]).toEqual([0o4755, 3, 4]);
  expect(readlinkSync(host.path(`${deployment}/rootfs/usr/bin/link`))).toBe("tool");
  expect(lstatSync(host.path(`${deployment}/rootfs/empty`)).mode & 0o7777).toBe(0o1777);
}
