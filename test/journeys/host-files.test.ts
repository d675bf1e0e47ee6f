import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { contractManifest, etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import type { LayerFiles } from "../bed/layer-files.ts";

const shelf = openShelf();
let etcd: TestImage;

beforeAll(async () => {
  etcd = await shelf.build({ layers: [etcdLike()] });
});

/** An image whose only host files are these, with these keys in its manifest.json. */
async function imageOf(hostfs: LayerFiles, manifest: object = {}): Promise<TestImage> {
  const files = Object.fromEntries(Object.entries(hostfs).map(([path, spec]) => [`exports/hostfs/${path}`, spec]));
  return shelf.build({
    layers: [
      etcdLike({
        "exports/hostfs/usr/local/bin/etcdctl": undefined,
        "exports/hostfs/etc/etcd/etcd.conf": undefined,
        "exports/manifest.json": JSON.stringify({ defaultValues: contractManifest.defaultValues, ...manifest }),
        ...files,
      }),
    ],
  });
}

async function put(host: Host, path: string, content: string): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), content);
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

it("29: a host file comes with its mode and is recorded with its digest", async () => {
  const host = await makeHost();
  const image = await imageOf({
    "usr/local/bin/x": { kind: "file", content: "x\n", mode: 0o750, uid: 7, gid: 8 },
    "usr/local/share/y": "y\n",
  });
  const { hostFiles } = await host.answer("install", "--name", "foo", image.reference);

  const { mode, uid, gid } = await stat(host.path("/usr/local/bin/x"));
  expect({ mode: mode & 0o7777, uid, gid }).toEqual({ mode: 0o750, uid: 0, gid: 0 });
  expect(host.read("/usr/local/bin/x")).toBe("x\n");
  const x = { path: "/usr/local/bin/x", kind: "file", sha256: sha256("x\n"), foreign: false };
  expect(hostFiles).toEqual([x, { ...x, path: "/usr/local/share/y", sha256: sha256("y\n") }]);
  expect((await host.answer("info", "foo")).hostFiles).toEqual(hostFiles);
});

it("29: a host file is a copy: writing to it leaves the container's own as it is", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  await writeFile(host.path("/usr/local/bin/fooctl"), "changed\n");

  const own = "/var/lib/keelson/deployments/foo/current/rootfs/exports/hostfs/usr/local/bin/etcdctl";
  expect(host.read(own)).toContain("#!/bin/sh");
});

it("30: renameFiles moves files, and directories with all they hold", async () => {
  const host = await makeHost();
  const renameFiles = { "/etc/app": `/etc/\${NAME}.d`, "/usr/bin/tool": "/usr/bin/$NAME-tool" };
  const image = await imageOf(
    { "etc/app/a.conf": "a\n", "etc/app/deep/b.conf": "b\n", "usr/bin/tool": "t\n", "usr/bin/other": "o\n" },
    { renameFiles },
  );
  const { hostFiles } = await host.answer("install", "--name", "foo", image.reference);

  expect(hostFiles.map(({ path }) => path)).toEqual([
    "/etc/foo.d/a.conf",
    "/etc/foo.d/deep/b.conf",
    "/usr/bin/foo-tool",
    "/usr/bin/other",
  ]);
  expect(host.read("/etc/foo.d/deep/b.conf")).toBe("b\n");
  expect(host.has("/etc/app")).toBe(false);
});

it("30: a variable without value in renameFiles is an error that names manifest.json", async () => {
  const host = await makeHost();
  const image = await imageOf({ "etc/a": "a\n" }, { renameFiles: { "/etc/a": "/etc/$MISSING" } });
  const failure = await host.refused(1, "install", "--name", "foo", image.reference);

  expect(failure.code).toBe("E_VALUE_MISSING");
  expect(failure.message).toMatch(/manifest\.json.*MISSING/);
});

it("31: files in installedFilesTemplate are rendered, all others copied as they are", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", "--set", "PORT=1", etcd.reference);

  expect(host.read("/etc/foo/etcd.conf")).toBe("PORT=1\nNAME=foo\n");
  expect((await stat(host.path("/etc/foo/etcd.conf"))).mode & 0o7777).toBe(0o640);
  expect(host.read("/usr/local/bin/fooctl")).toBe('#!/bin/sh\necho "$NAME"\n');
});

it("36: a directory two containers use goes with the last of them", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const one = await imageOf({ "opt/tools/one": "1\n" });
  const two = await imageOf({ "opt/tools/two": "2\n" });
  await host.answer("install", "--name", "one", one.reference);
  await host.answer("install", "--name", "two", two.reference);

  await host.answer("uninstall", "one");
  expect(await readdir(host.path("/opt/tools"))).toEqual(["two"]);
  await host.answer("uninstall", "two");
  expect(await host.snapshot()).toEqual(before);
});

it("36: a directory that was there, or that somebody put something into, stays", async () => {
  const host = await makeHost();
  await mkdir(host.path("/opt/there"), { recursive: true });
  const image = await imageOf({
    "opt/there/a": "a\n",
    "opt/made/b": "b\n",
    "opt/empty": { kind: "directory", mode: 0o750 },
  });
  await host.answer("install", "--name", "foo", image.reference);
  expect((await stat(host.path("/opt/empty"))).mode & 0o7777).toBe(0o750);
  await put(host, "/opt/made/mine", "mine\n");
  await host.answer("uninstall", "foo");

  expect((await readdir(host.path("/opt"))).sort()).toEqual(["made", "there"]);
  expect(await readdir(host.path("/opt/made"))).toEqual(["mine"]);
});

it("37: a dangling symlink is copied as the symlink it is, and removed", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const image = await imageOf({ "etc/link": { kind: "symlink", target: "../nowhere/at all" } });
  await host.answer("install", "--name", "foo", image.reference);

  expect(await readlink(host.path("/etc/link"))).toBe("../nowhere/at all");
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
});

it("38: renameFiles cannot lead out with ..", async () => {
  const host = await makeHost();
  const image = await imageOf({ "etc/a": "a\n" }, { renameFiles: { "/etc/a": "/etc/../../$RECEIVER" } });
  expect((await host.refused(1, "install", "--name", "foo", image.reference)).code).toBe("E_HOST_FILE");
});

it("38: a value cannot lead out with .. either", async () => {
  const host = await makeHost();
  const image = await imageOf({ "etc/a": "a\n" }, { renameFiles: { "/etc/a": "/etc/$RECEIVER" } });
  const failure = await host.refused(1, "install", "--name", "foo", "--set", "RECEIVER=../../a", image.reference);
  expect(failure.code).toBe("E_HOST_FILE");
});

it("38: a symlink in hostfs is never followed to put a file behind it", async () => {
  const host = await makeHost();
  const image = await imageOf(
    { "etc/door": { kind: "symlink", target: "/srv" }, "etc/a": "a\n" },
    { renameFiles: { "/etc/a": "/etc/door/a" } },
  );
  const failure = await host.refused(1, "install", "--name", "foo", image.reference);
  expect(failure.code).toBe("E_CONTRACT");
});

it("38: a symlink on the host above a host file is followed below the root only", async () => {
  const host = await makeHost();
  await mkdir(host.path("/data"));
  await symlink("../../../../data", host.path("/opt"));
  const before = await host.snapshot();
  const image = await imageOf({ "opt/tool": "t\n" });
  const { hostFiles } = await host.answer("install", "--name", "foo", image.reference);

  expect(hostFiles).toEqual([expect.objectContaining({ path: "/data/tool" })]);
  expect(host.read("/data/tool")).toBe("t\n");
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
});

it.each<[string, LayerFiles[string]]>([
  ["setuid", { kind: "file", content: "", mode: 0o4755 }],
  ["a fifo", { kind: "fifo" }],
  ["a device", { kind: "character", major: 1, minor: 3 }],
])("a host file that is %s is refused", async (_, spec) => {
  const host = await makeHost();
  const image = await imageOf({ "usr/bin/x": spec });
  expect((await host.refused(1, "install", "--name", "foo", image.reference)).code).toBe("E_HOST_FILE");
});

it("a name outside ASCII arrives as it is, and goes again", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const image = await imageOf({ "etc/caf\u00e9 a": "c\n" });
  await host.answer("install", "--name", "foo", image.reference);
  expect((await lstat(host.path("/etc/caf\u00e9 a"))).isFile()).toBe(true);
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
});
