import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";

const shelf = openShelf();
let etcd: TestImage;
let plain: TestImage;

beforeAll(async () => {
  etcd = await shelf.build({ layers: [etcdLike()] });
  plain = await shelf.build({ layers: [{ "bin/true": "" }], config: { command: ["/bin/true"], volumes: ["/data"] } });
});

/** What a boot of the host would make of the tmpfiles lines, with something in it. */
async function makeState(host: Host, path: string): Promise<void> {
  await mkdir(host.path(path), { recursive: true });
  await writeFile(host.path(`${path}/data`), "precious\n");
}

it("57: uninstall disables, removes the unit, reloads, clears tmpfiles, then host files, then the link", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  const { changes } = await host.answer("uninstall", "foo");

  const order = changes.filter(({ kind }) => kind !== "directory").map(({ kind, path }) => path ?? kind);
  expect(order).toEqual([
    "disable",
    "/etc/systemd/system/foo.service",
    "reload",
    "/etc/tmpfiles.d/keelson-foo.conf",
    "/etc/tmpfiles.d/keelson-foo.conf",
    "/etc/foo/etcd.conf",
    "/usr/local/bin/fooctl",
    "current",
    // With the last container.
    "/etc/systemd/system/sysinit.target.wants/keelson-recover.service",
    "/etc/systemd/system/keelson-recover.service",
    "reload",
    "reset-failed",
  ]);
  expect(changes.filter(({ kind }) => kind === "tmpfiles-remove")).toHaveLength(1);
});

it.each([
  ["an image with /exports", () => etcd, []],
  ["an image without /exports", () => plain, []],
  ["a container that is not enabled", () => etcd, ["--no-enable"]],
  ["a container that was to be started", () => etcd, ["--start"]],
])("uninstall of %s leaves the root as it was, byte for byte", async (_, image, options) => {
  const host = await makeHost();
  const wants = host.path("/etc/systemd/system/multi-user.target.wants");
  await mkdir(wants, { recursive: true });
  await symlink("/usr/lib/systemd/system/other.service", join(wants, "other.service"));
  const before = await host.snapshot();
  await host.answer("install", ...options, "--name", "foo", image().reference);
  await host.answer("uninstall", "foo");

  expect(await host.snapshot()).toEqual(before);
});

it("an image that was pulled for its own sake stays when its last container goes", async () => {
  const host = await makeHost();
  await host.answer("pull", etcd.reference);
  const before = await host.snapshot();
  await host.answer("install", "--name", "foo", etcd.reference);
  await host.answer("uninstall", "foo");

  expect(await host.snapshot()).toEqual(before);
  expect(await host.answer<readonly object[]>("images")).toHaveLength(1);
});

it("of two containers of one image the other keeps all it needs", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "one", etcd.reference);
  const before = await host.snapshot();
  await host.answer("install", "--name", "two", etcd.reference);
  await host.answer("uninstall", "two");

  expect(await host.snapshot()).toEqual(before);
});

it("a name can be installed again after it was uninstalled", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  const before = await host.snapshot();
  await host.answer("uninstall", "foo");
  await host.answer("install", "--name", "foo", etcd.reference);

  expect(await host.snapshot()).toEqual(before);
});

it("every link the unit asked for goes, aliases too", async () => {
  const install = "Alias=server.service\nRequiredBy=network.target\nWantedBy=multi-user.target";
  const template = serviceTemplate.replace("WantedBy=multi-user.target", install);
  const image = await shelf.build({ layers: [etcdLike({ "exports/service.template": template })] });
  const host = await makeHost();
  const before = await host.snapshot();
  await host.answer("install", "--name", "foo", image.reference);
  expect((await readdir(host.path("/etc/systemd/system"))).sort()).toEqual([
    "foo.service",
    "keelson-recover.service",
    "multi-user.target.wants",
    "network.target.requires",
    "server.service",
    "sysinit.target.wants",
  ]);
  await host.answer("uninstall", "foo");

  expect(await host.snapshot()).toEqual(before);
});

it("60: a container named x.0 installs, lists and uninstalls like any other, beside one named x", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  await host.answer("install", "--name", "x.0", etcd.reference);
  await host.answer("install", "--name", "x", etcd.reference);

  const names = async (): Promise<readonly string[]> =>
    (await host.answer<readonly { name: string }[]>("list")).map(({ name }) => name);
  expect(await names()).toEqual(["x", "x.0"]);
  await host.answer("uninstall", "x");
  expect(await names()).toEqual(["x.0"]);
  await host.answer("uninstall", "x.0");
  expect(await host.snapshot()).toEqual(before);
});

it("61: state stays when a container goes", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  await makeState(host, "/var/lib/foo");
  await host.answer("uninstall", "foo");

  expect(host.read("/var/lib/foo/data")).toBe("precious\n");
});

it.each([
  ["by the image's tmpfiles lines", () => etcd, "/var/lib/foo"],
  ["by the image's volumes", () => plain, "/var/lib/foo/data"],
])("61: --purge removes the state declared %s, and nothing beside it", async (_, image, state) => {
  const host = await makeHost();
  await makeState(host, "/var/lib/other");
  const before = await host.snapshot();
  await host.answer("install", "--name", "foo", image().reference);
  await makeState(host, state);
  await host.answer("uninstall", "--purge", "foo");

  expect(await host.snapshot()).toEqual(before);
});

it("61: --purge leaves state that another container declares too", async () => {
  const tmpfiles = "d /var/lib/shared 0700 0 0 - -\nd /var/lib/$NAME 0700 0 0 - -\n";
  const image = await shelf.build({ layers: [etcdLike({ "exports/tmpfiles.template": tmpfiles })] });
  const host = await makeHost();
  await host.answer("install", "--name", "one", image.reference);
  await host.answer("install", "--name", "two", image.reference);
  await makeState(host, "/var/lib/shared");
  await makeState(host, "/var/lib/one");
  await host.answer("uninstall", "--purge", "one");

  expect(host.has("/var/lib/one")).toBe(false);
  expect(host.read("/var/lib/shared/data")).toBe("precious\n");
});

it("a container that is not there is an error of its own, and changes nothing", async () => {
  const host = await makeHost();
  expect((await host.refused(3, "uninstall", "foo")).code).toBe("E_NOT_FOUND");
});
