import { appendFile, chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";

const shelf = openShelf();
let image: TestImage;

beforeAll(async () => {
  image = await shelf.build({ layers: [etcdLike()] });
});

async function installed(...names: readonly string[]): Promise<Host> {
  const host = await makeHost();
  for (const name of names) await host.answer("install", "--name", name, image.reference);
  return host;
}

const tool = "/var/lib/keelson/deployments/foo/1/rootfs/usr/bin/etcd";
const well = {
  state: "unknown",
  enabled: true,
  failed: false,
  needsReload: false,
  findings: [],
  dropIns: [],
  sockets: [],
};

it("status of a host where all is well ends with 0 and changes nothing", async () => {
  const host = await installed("bar", "foo");
  const before = await host.snapshot();
  const rows = ["bar", "foo"].map((name) => ({ name, generation: 1, ...well, problem: null }));
  expect(await host.answer("status")).toEqual({ clean: true, interrupted: null, containers: rows });
  const { stdout } = await host.keelson("status");
  expect(stdout).toMatch(/^NAME +GENERATION +STATE +ENABLED +DRIFT +DROP-INS\nbar +1 +unknown +yes +0 +0\nfoo .*\n$/);
  expect(await host.snapshot()).toEqual(before);
});

it("status of a host without containers says nothing, and is well", async () => {
  const host = await makeHost();
  expect(await host.keelson("status")).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(host.has("/var/lib/keelson")).toBe(false);
});

it.each<[string, string, string, (host: Host, path: string) => Promise<unknown>]>([
  ["an edited unit", "/etc/systemd/system/foo.service", "changed", (host, path) => appendFile(host.path(path), "#\n")],
  ["an edited host file", "/etc/foo/etcd.conf", "changed", (host, path) => writeFile(host.path(path), "mine\n")],
  ["a lost host file", "/usr/local/bin/fooctl", "missing", (host, path) => rm(host.path(path))],
  ["a mode in the tree", tool, "changed", (host, path) => chmod(host.path(path), 0o700)],
  ["a size in the tree", tool, "changed", (host, path) => appendFile(host.path(path), "x")],
  ["a lost file of the tree", tool, "missing", (host, path) => rm(host.path(path))],
  ["a foreign file in the tree", `${tool}.new`, "foreign", (host, path) => writeFile(host.path(path), "")],
])("status names %s and ends with 9", async (_, path, problem, damage) => {
  const host = await installed("foo");
  await damage(host, path);
  const { status, stdout } = await host.keelson("--json", "status");
  const named = path.startsWith("/var") ? host.path(path) : path;
  expect(status).toBe(9);
  expect(JSON.parse(stdout)).toMatchObject({
    clean: false,
    containers: [{ name: "foo", findings: [{ container: "foo", generation: 1, path: named, problem }] }],
  });
  expect((await host.keelson("status")).stdout).toContain(`foo: ${named} is ${problem}\n`);
  await host.answer("uninstall", "foo");
});

it("status names a change list that is lost: nobody knows then what is in the tree", async () => {
  const host = await installed("foo");
  await rm(host.path("/var/lib/keelson/images/layers"), { recursive: true });
  const { status, stdout } = await host.keelson("--json", "status");
  expect(status).toBe(9);
  expect(JSON.parse(stdout).containers[0].findings).toMatchObject([{ container: null, problem: "missing" }]);
});

it("status lists an administrator's additions to the unit, and is well", async () => {
  const host = await installed("foo");
  const path = "/etc/systemd/system/foo.service.d/limits.conf";
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), "[Service]\nMemoryMax=1G\n");
  expect(await host.answer("status")).toMatchObject({ clean: true, containers: [{ ...well, dropIns: [path] }] });
  expect((await host.keelson("status")).stdout).toContain(`foo: ${path} adds to the unit\n`);
});

it("status shows a broken container, and looks at the others", async () => {
  const host = await installed("bad", "foo");
  await writeFile(host.path("/var/lib/keelson/deployments/bad/1/deployment.json"), "{");
  const { status, stdout } = await host.keelson("--json", "status");
  expect(status).toBe(9);
  expect(JSON.parse(stdout).containers).toMatchObject([
    { name: "bad", state: "broken", generation: null, problem: expect.any(String) },
    { name: "foo", ...well },
  ]);
});

it("status tells of a change that was interrupted", async () => {
  const host = await installed("foo");
  const journal = { schema: 1, verb: "update", name: "foo", direction: "back", changes: [] };
  await mkdir(host.path("/var/lib/keelson/journal"), { recursive: true });
  await writeFile(host.path("/var/lib/keelson/journal/transaction"), JSON.stringify(journal));
  const { status, stdout } = await host.keelson("--json", "status");
  expect([status, JSON.parse(stdout).interrupted]).toEqual([9, { verb: "update", name: "foo" }]);
  expect((await host.keelson("status")).stdout).toMatch(/^update foo was interrupted; keelson recover/);
  await host.answer("recover");
  expect(await host.answer("status")).toMatchObject({ clean: true, interrupted: null });
});

it("status of one container says nothing of the others", async () => {
  const host = await installed("bar", "foo");
  await rm(host.path("/usr/local/bin/fooctl"));
  expect(await host.answer("status", "bar")).toEqual({
    clean: true,
    interrupted: null,
    containers: [{ name: "bar", generation: 1, ...well, problem: null }],
  });
  expect((await host.keelson("status", "foo")).status).toBe(9);
  expect((await host.refused(3, "status", "none")).code).toBe("E_NOT_FOUND");
});
