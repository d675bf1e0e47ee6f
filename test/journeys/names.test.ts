import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { failureOf, type Host, makeHost } from "../bed/journey.ts";

const shelf = openShelf();
let etcd: TestImage;

beforeAll(async () => {
  etcd = await shelf.build({ layers: [etcdLike()] });
});

it("6: installing a name twice changes nothing and ends with 0, with --json with 4", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);

  expect(await host.refused(4, "install", "--name", "foo", etcd.reference)).toMatchObject({
    code: "E_PRESENT",
    message: expect.stringContaining("already present"),
  });
  const { status, stderr } = await host.keelson("install", "--name", "foo", etcd.reference);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining("foo already present") });
});

it.each<[string, (host: Host) => Promise<void>]>([
  ["a unit file of the administrator", (host) => put(host, "/etc/systemd/system/foo.service", "[Unit]\n")],
  ["a unit file of the distribution", (host) => put(host, "/usr/lib/systemd/system/foo.service", "[Unit]\n")],
  [
    "an alias of another unit",
    (host) => put(host, "/usr/lib/systemd/system/bar.service", "[Install]\nAlias=foo.service\n"),
  ],
  ["an empty unit file, which masks it", (host) => put(host, "/etc/systemd/system/foo.service", "")],
  ["an init script", (host) => put(host, "/etc/init.d/foo", "#!/bin/sh\n")],
  [
    "a link to /dev/null, which masks it",
    async (host) => {
      await mkdir(host.path("/etc/systemd/system"), { recursive: true });
      await symlink("/dev/null", host.path("/etc/systemd/system/foo.service"));
    },
  ],
])("7: a unit name is taken by %s, which stays as it is", async (_, prepare) => {
  const host = await makeHost();
  await prepare(host);

  expect(await host.refused(4, "install", "--name", "foo", etcd.reference)).toMatchObject({
    code: "E_NAME_TAKEN",
    message: expect.stringContaining("foo.service already exists"),
  });
});

it("7: a tmpfiles file that is there is not overwritten, and nothing else is done", async () => {
  const host = await makeHost();
  await put(host, "/etc/tmpfiles.d/keelson-foo.conf", "d /srv\n");

  expect(await host.refused(4, "install", "--name", "foo", etcd.reference)).toMatchObject({
    code: "E_FILE_EXISTS",
    message: expect.stringContaining("/etc/tmpfiles.d/keelson-foo.conf"),
  });
});

it("20: a name that is no plain unit name is refused before anything else", async () => {
  const host = await makeHost();
  const names = ["a/b", "-x", "x@", "@y", "x@y@z", "x@y/z", "x@y:z", "x y", "..", "ä", "x".repeat(64), ""];
  const before = await host.snapshot();
  for (const name of names) {
    const ran = await host.keelson("--json", "install", `--name=${name}`, "oci:/nowhere");
    expect({ name, status: ran.status, code: failureOf(ran).code }).toEqual({ name, status: 2, code: "E_NAME" });
  }
  expect(await host.snapshot()).toEqual(before);
});

async function put(host: Host, path: string, content: string): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await rm(host.path(path), { force: true });
  await writeFile(host.path(path), content);
}
