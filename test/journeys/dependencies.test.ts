import { mkdir, readFile, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { failureOf, type Host, makeHost } from "../bed/journey.ts";
import { serviceLayer } from "../bed/services.ts";

const shelf = openShelf();
/** An image that says this of its place, with these lines in its unit. */
const imageWith = (relations: object, lines = ""): Promise<TestImage> =>
  shelf.build({ layers: [serviceLayer(relations, lines)] });

const addition = (name: string): string => `/etc/systemd/system/${name}.service.d/10-keelson.conf`;
const textOf = (host: Host, name: string): Promise<string> => readFile(host.path(addition(name)), "utf8");
let etcd: TestImage;
let flanneld: TestImage;
let plain: TestImage;
beforeAll(async () => {
  [etcd, flanneld, plain] = await Promise.all([
    imageWith({ provides: ["kv/etcd"] }),
    imageWith({ requires: ["kv/etcd"], before: ["runtime"] }),
    imageWith({}),
  ]);
});

/** What a command that is refused says, and its exit status. */
async function refusal(host: Host, ...args: readonly string[]): Promise<readonly [number, string]> {
  const ran = await host.keelson("--json", ...args);
  const { code, message } = failureOf(ran);
  return [ran.status, `${code}: ${message}`];
}

async function putUnit(host: Host, path: string, text: string): Promise<void> {
  await mkdir(host.path(path.slice(0, path.lastIndexOf("/"))), { recursive: true });
  await writeFile(host.path(path), text);
}

describe("74: what an image requires", () => {
  it("is refused where nothing provides it, with nothing changed, and --force goes past that", async () => {
    const host = await makeHost();
    const before = await host.snapshot();
    for (const dry of [[], ["--dry-run"]]) {
      expect(await refusal(host, "install", "--name", "net", ...dry, flanneld.reference)).toEqual([
        13,
        "E_REQUIRES: net requires kv/etcd, which nothing on this host provides",
      ]);
      expect(await host.snapshot()).toEqual(before);
    }
    await host.answer("install", "--force", "--name", "net", flanneld.reference);
    await expect(textOf(host, "net")).rejects.toThrow("ENOENT");
    expect((await host.keelson("verify")).status).toBe(0);
    await host.answer("uninstall", "net");
    expect(await host.snapshot()).toEqual(before);
  });

  it("is found under the name that is installed, also when that comes later, goes, or changes", async () => {
    const host = await makeHost();
    const before = await host.snapshot();
    await host.answer("install", "--force", "--name", "net", flanneld.reference);
    const between = await host.snapshot();
    await host.answer("install", "--name", "store-v3", etcd.reference);
    expect(await textOf(host, "net")).toContain(
      "\n[Unit]\nAfter=store-v3.service\nWants=store-v3.service\nUpholds=store-v3.service\n",
    );
    await host.answer("install", "--name", "store-v4", etcd.reference);
    expect(await textOf(host, "net")).toContain("\nAfter=store-v3.service store-v4.service\n");
    await host.answer("uninstall", "store-v3");
    expect(await textOf(host, "net")).toContain("\nAfter=store-v4.service\n");

    const needed = [13, "E_NEEDED: store-v4 is needed by net"];
    expect(await refusal(host, "uninstall", "store-v4")).toEqual(needed);
    expect(await refusal(host, "update", "store-v4", "--rebase", plain.reference)).toEqual(needed);
    expect(await textOf(host, "net")).toContain("\nAfter=store-v4.service\n");

    await host.answer("uninstall", "--force", "store-v4");
    expect(await host.snapshot()).toEqual(between);
    await host.answer("uninstall", "net");
    expect(await host.snapshot()).toEqual(before);
  });

  it("may be a unit of the host", async () => {
    const host = await makeHost();
    await putUnit(host, "/usr/lib/systemd/system/etcd.service", "[Service]\nExecStart=/usr/bin/etcd\n");
    await putUnit(host, "/usr/lib/systemd/system/docker.service", "[Service]\nExecStart=/usr/bin/dockerd\n");
    const planned = await host.plan("install", "--name", "net", flanneld.reference);
    expect(planned.changes).toContainEqual(expect.objectContaining({ kind: "file", path: addition("net") }));
    await host.answer("install", "--name", "net", flanneld.reference);
    expect(await textOf(host, "net")).toMatch(/\nAfter=etcd\.service\n(?:.*\n)*Before=docker\.service\n/);
  });

  it("as its unit's Requires= says counts as well", async () => {
    const host = await makeHost();
    const leaning = await imageWith({}, "Requires=store.service");
    expect(await refusal(host, "install", "--name", "lean", leaning.reference)).toEqual([
      13,
      "E_REQUIRES: lean requires store.service, which nothing on this host provides",
    ]);
    await host.answer("install", "--name", "store", plain.reference);
    await host.answer("install", "--name", "lean", leaning.reference);
    expect(await refusal(host, "uninstall", "store")).toEqual([13, "E_NEEDED: store is needed by lean"]);
  });
});

describe("74: a cycle", () => {
  it("is refused with its units, at installation and at update, and what is there stays as it was", async () => {
    const host = await makeHost();
    const [a, b] = await Promise.all([
      imageWith({ provides: ["a"] }, "After=b.service"),
      imageWith({ requires: ["a"] }),
    ]);
    await host.answer("install", "--name", "a", a.reference);
    const before = await host.snapshot();
    const cycle = [13, "E_CYCLE: no order of start is possible: a.service -> b.service -> a.service"];
    expect(await refusal(host, "install", "--name", "b", b.reference)).toEqual(cycle);
    expect(await host.snapshot()).toEqual(before);
    await host.answer("install", "--name", "b", plain.reference);
    expect(await refusal(host, "update", "b", "--allow-widen", "--rebase", b.reference)).toEqual(cycle);
    // A cycle that is there already is no reason to refuse what has nothing to do with it.
    await host.answer("update", "b", "--force", "--allow-widen", "--rebase", b.reference);
    await host.answer("install", "--name", "other", plain.reference);
    await host.answer("rollback", "b");
  });
});

it("what keelson adds to a unit is verified, healed, and no addition of an administrator", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "store", etcd.reference);
  await host.answer("install", "--name", "net", flanneld.reference);
  const text = await textOf(host, "net");
  await writeFile(host.path(addition("net")), `${text}Wants=more.service\n`);
  const found = await host.keelson("verify");
  expect([found.status, found.stdout]).toEqual([9, `net: ${addition("net")} is changed\n`]);
  expect((await host.keelson("verify", "--repair")).status).toBe(0);
  expect(await textOf(host, "net")).toBe(text);
  expect(await host.answer("info", "net")).toMatchObject({ dropIns: [] });
});

it("a file in its place that is somebody's stays", async () => {
  const host = await makeHost();
  await putUnit(host, addition("net"), "[Unit]\nAfter=mine.service\n");
  await host.answer("install", "--name", "store", etcd.reference);
  await host.answer("install", "--name", "net", flanneld.reference);
  expect(await textOf(host, "net")).toBe("[Unit]\nAfter=mine.service\n");
  await host.answer("uninstall", "net");
  expect(await textOf(host, "net")).toBe("[Unit]\nAfter=mine.service\n");
});

it("graph shows what is there, in each format", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "store", etcd.reference);
  await host.answer("install", "--name", "net", flanneld.reference);
  await host.answer("install", "--name", "alone", plain.reference);
  expect((await host.keelson("graph", "net")).stdout).toBe(
    "net.service (unknown)\n  after, wants, upholds store.service (unknown)\n",
  );
  expect(await host.answer("graph", "alone")).toEqual({
    nodes: [{ unit: "alone.service", container: "alone", state: "unknown" }],
    edges: [],
  });
  const starts = { dot: "digraph ", mermaid: "flowchart ", svg: "<svg " };
  for (const [format, start] of Object.entries(starts)) {
    const { status, stdout } = await host.keelson("graph", "--format", format);
    expect([status, stdout.slice(0, start.length)]).toEqual([0, start]);
    expect(stdout).toContain("store.service");
  }
});
