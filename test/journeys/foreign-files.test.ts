import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";

const shelf = openShelf();
let etcd: TestImage;

beforeAll(async () => {
  etcd = await shelf.build({ layers: [etcdLike()] });
});

async function put(host: Host, path: string, content: string): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), content);
}

it("32: a host file that is there already is refused before any change", async () => {
  const host = await makeHost();
  await put(host, "/usr/local/bin/fooctl", "mine\n");

  expect(await host.refused(4, "install", "--name", "foo", etcd.reference)).toMatchObject({
    code: "E_FILE_EXISTS",
    message: expect.stringContaining("/usr/local/bin/fooctl"),
    hint: expect.stringContaining("--keep-existing"),
  });
});

it.each<[string, (path: string) => Promise<unknown>]>([
  ["a file", (path) => writeFile(path, "mine\n")],
  ["an equal file", (path) => writeFile(path, '#!/bin/sh\necho "$NAME"\n')],
  ["a dangling link", (path) => symlink("/nowhere", path)],
  ["a directory", (path) => mkdir(path)],
])(
  "32: with --keep-existing %s that is there is recorded as foreign, and neither changed nor removed",
  async (_, make) => {
    const host = await makeHost();
    const path = "/usr/local/bin/fooctl";
    await mkdir(host.path(dirname(path)), { recursive: true });
    await make(host.path(path));
    const before = await host.snapshot();
    const { hostFiles } = await host.answer("install", "--keep-existing", "--name", "foo", etcd.reference);

    expect(hostFiles).toContainEqual(expect.objectContaining({ path, foreign: true }));
    expect((await host.snapshot())[path]).toBe(before[path]);
    await host.answer("uninstall", "foo");
    expect(await host.snapshot()).toEqual(before);
  },
);

it("32: what is left alone is said at install and by info", async () => {
  const host = await makeHost();
  await put(host, "/usr/local/bin/fooctl", "mine\n");
  const { stderr } = await host.keelson("install", "--keep-existing", "--name", "foo", etcd.reference);

  expect(stderr).toMatch(/\/usr\/local\/bin\/fooctl.*already|already.*\/usr\/local\/bin\/fooctl|left alone.*fooctl/);
  expect((await host.keelson("info", "foo")).stdout).toMatch(/left alone.*\/usr\/local\/bin\/fooctl/);
});

it("33: a file the administrator changed survives uninstall and is named", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  await writeFile(host.path("/etc/foo/etcd.conf"), "PORT=9\n");
  const ran = await host.keelson("uninstall", "foo");

  expect(ran.status).toBe(0);
  expect(ran.stderr).toMatch(/^warning: \/etc\/foo\/etcd\.conf \b/m);
  expect(host.read("/etc/foo/etcd.conf")).toBe("PORT=9\n");
  expect(host.has("/usr/local/bin/fooctl")).toBe(false);
});

it("33: a unit the administrator changed survives uninstall and is named, and what it enables goes", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  await writeFile(host.path("/etc/systemd/system/foo.service"), "[Unit]\nDescription=mine\n");
  const { kept } = await host.answer("uninstall", "foo");

  expect(kept).toEqual(["/etc/systemd/system/foo.service"]);
  expect(host.read("/etc/systemd/system/foo.service")).toContain("mine");
  expect(host.has("/etc/systemd/system/multi-user.target.wants")).toBe(false);
});

it("33: a file whose content is as it was but whose mode was changed is still removed", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  await host.answer("install", "--name", "foo", etcd.reference);
  await chmod(host.path("/etc/foo/etcd.conf"), 0o600);
  await host.answer("uninstall", "foo");

  expect(await host.snapshot()).toEqual(before);
});

it("35: a second container with the same host path is refused, with --keep-existing too", async () => {
  const host = await makeHost();
  const image = await shelf.build({ layers: [etcdLike({ "exports/hostfs/etc/shared": "s\n" })] });
  await host.answer("install", "--name", "one", image.reference);

  for (const options of [[], ["--keep-existing"]]) {
    expect(await host.refused(4, "install", ...options, "--name", "two", image.reference)).toMatchObject({
      code: "E_FILE_EXISTS",
      message: expect.stringContaining("/etc/shared (of container one)"),
    });
  }
});
