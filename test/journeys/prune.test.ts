import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { failureOf, type Host, makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { deployments, insecure, openTag } from "../bed/tag.ts";

const shelf = openShelf();
const bed = openTag();
const large = "x".repeat(300_000);
let v1: TestImage;
let v2: TestImage;

interface Pruned {
  readonly deployments: readonly { readonly name: string; readonly generation: number }[];
  readonly images: readonly { readonly reference: string | null; readonly digest: string }[];
  readonly refs: number;
  readonly documents: number;
  readonly layers: number;
  readonly objects: number;
  readonly leftovers: readonly string[];
  readonly freed: number;
}

const nothing: Pruned = {
  deployments: [],
  images: [],
  refs: 0,
  documents: 0,
  layers: 0,
  objects: 0,
  leftovers: [],
  freed: 0,
};

beforeAll(async () => {
  v1 = await shelf.build({ layers: [etcdLike(), { "usr/lib/only-v1": `1${large}` }] });
  v2 = await shelf.build({ layers: [etcdLike(), { "usr/lib/only-v2": `2${large}` }] });
});
beforeEach(() => bed.publish(v1));

/** What is on the disk below keelson's directory, each inode counted once. */
async function usage(host: Host): Promise<number> {
  const text = await run("du", "--summarize", "--block-size=1", host.path("/var/lib/keelson"));
  return Number(text.split("\t")[0]);
}

async function put(host: Host, path: string, content = ""): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), content);
}

/** What --dry-run says, which changes nothing; then what prune does, which is the same and frees what it says. */
async function prune(host: Host): Promise<Pruned> {
  const snapshot = await host.snapshot();
  const dry = await host.keelson("--json", "prune", "--dry-run");
  expect(await host.snapshot()).toEqual(snapshot);
  const planned = JSON.parse(dry.stdout) as Pruned;
  expect(dry.status, dry.stderr).toBe(planned.freed === 0 ? 0 : 10);
  const before = await usage(host);
  expect(await host.answer<Pruned>("prune")).toEqual(planned);
  expect(before - (await usage(host))).toBe(planned.freed);
  expect(await host.answer<Pruned>("prune")).toEqual(nothing);
  return planned;
}

it("62: prune finds nothing to do after install, pull and update, and says so", async () => {
  const { host, update } = await bed.installed();
  await bed.publish(v2);
  await update();
  expect(await prune(host)).toEqual(nothing);
  expect((await host.keelson("prune", "--dry-run")).stdout).toBe("nothing to prune\n");
});

it("62: an image that has lost its name goes with all that only it had; what containers and names need stays", async () => {
  const { host } = await bed.installed();
  const other = `${bed.registry.host}/other:1`;
  await bed.publish(v2, other);
  await host.answer("pull", insecure, other);
  const kept = await host.snapshot();
  const third = await shelf.build({ layers: [etcdLike(), { "usr/lib/third": `3${large}` }] });
  const moving = `${bed.registry.host}/moving:1`;
  await bed.publish(third, moving);
  const { digest } = await host.answer("pull", insecure, moving);
  await bed.publish(v2, moving);
  await host.answer("pull", insecure, moving);

  const pruned = await prune(host);
  expect(pruned).toMatchObject({ images: [{ reference: null, digest }], refs: 1, documents: 2, layers: 1 });
  expect(pruned.freed).toBeGreaterThan(large.length);
  expect((await host.keelson("verify")).status).toBe(0);
  await host.answer("images", "rm", moving);
  expect(await host.snapshot()).toEqual(kept);
  await host.answer("images", "rm", other);
});

it("62: every rollback target stays, a pinned one too; those beyond keep go, and their images with the last of them", async () => {
  const { host, update, rollback } = await bed.installed();
  await put(host, "/etc/keelson/keelson.conf", "keep = 9\n");
  await host.answer("pin", "foo", "1");
  await bed.publish(v2);
  const { digest } = await update();
  await bed.publish(v1);
  await update();
  await update("--set", "PORT=1");
  await update("--set", "PORT=2");
  expect(await prune(host)).toEqual(nothing);

  await put(host, "/etc/keelson/keelson.conf", "keep = 2\n");
  const pruned = await prune(host);
  expect(pruned).toMatchObject({
    deployments: [
      { name: "foo", generation: 2 },
      { name: "foo", generation: 3 },
    ],
    images: [{ reference: null, digest }],
  });
  expect((await readdir(host.path(deployments))).sort()).toEqual(["1", "4", "5", "current"]);
  for (const to of ["1", "4"]) {
    await rollback("--to", to);
    expect((await host.keelson("verify", "foo")).status).toBe(0);
  }
  await put(host, "/etc/keelson/keelson.conf", "keep = 9\n");
  await run("rm", "-r", host.path("/etc/keelson"));
});

it("62: what commands that were cut short have left goes", async () => {
  const { host } = await bed.installed();
  const whole = await host.snapshot();
  const state = "/var/lib/keelson";
  const hex = "0".repeat(64);
  const left = [
    `${state}/repo/tmp/staging/ab/cd.file`,
    `${state}/images/.index.json.keelson-new`,
    `${state}/deployments/bar/1/deployment.json`,
    `${state}/deployments/foo/2.new/deployment.json`,
    `${state}/deployments/foo/3.old/deployment.json`,
    `${state}/deployments/foo/1/.outcome.json.keelson-new`,
    // No process has this number: it is above what the kernel gives out.
    `${state}/once/4194305/config.json`,
  ];
  const unnamed = [
    `${state}/repo/objects/00/${"0".repeat(62)}.file`,
    `${state}/repo/refs/heads/keelson/image/${hex}`,
    `${state}/images/layers/${hex}`,
    `${state}/images/blobs/sha256/${hex}`,
  ];
  for (const path of [...left, ...unnamed]) await put(host, path, large);
  const pruned = await prune(host);
  expect(pruned).toMatchObject({ refs: 1, documents: 1, layers: 1, objects: 1 });
  const tops = left.map((path) => host.path(path.replace(/\/(?:ab\/cd\.file|deployment\.json|config\.json)$/, "")));
  expect([...pruned.leftovers].sort()).toEqual(
    tops.map((path) => path.replace("/bar/1", "/bar").replace("/once/4194305", "/once")).sort(),
  );
  expect(await host.snapshot()).toEqual(whole);
});

it.each([
  ["lost", (path: string) => run("rm", path)],
  ["damaged", (path: string) => run("truncate", "--size=10", path)],
])("62: while a change list is %s nothing is removed, and every command that would says why", async (_, damage) => {
  const host = await makeHost();
  await host.answer("pull", v1.reference);
  await put(host, "/var/lib/keelson/images/unswept");
  const layers = host.path("/var/lib/keelson/images/layers");
  const [first = ""] = await readdir(layers);
  const whole = await host.snapshot();
  await damage(join(layers, first));
  const stray = `/var/lib/keelson/repo/objects/00/${"0".repeat(62)}.file`;
  await put(host, stray);

  const failure = await host.refused(1, "prune");
  expect(failure).toMatchObject({ code: "E_STORE", message: expect.stringContaining(v1.reference) });
  expect(failureOf(await host.keelson("--json", "prune", "--dry-run"))).toEqual(failure);
  const { stderr } = await host.keelson("recover");
  expect(stderr).toBe("");
  expect((await host.keelson("recover")).stdout).toContain("nothing is removed from the store: what ");
  expect(host.has(stray)).toBe(true);
  await host.answer("pull", v1.reference);
  expect(host.has(stray)).toBe(false);
  await host.answer("prune");
  expect(Object.keys(await host.snapshot())).toEqual(Object.keys(whole).filter((path) => !path.endsWith("/unswept")));
});

it("25: a prune that was cut short is finished by the next command, and nothing but a prune is", async () => {
  const { host, update } = await bed.installed();
  await bed.publish(v2);
  await update();
  await mkdir(host.path("/etc/keelson"));
  await writeFile(host.path("/etc/keelson/keelson.conf"), "keep = 1\n");
  await host.answer("recover");
  expect(host.has("/var/lib/keelson/deployments/foo/1")).toBe(true);
  await put(host, "/var/lib/keelson/journal/prune");
  await host.answer("recover");
  expect(host.has("/var/lib/keelson/deployments/foo/1")).toBe(false);
  expect(host.has("/var/lib/keelson/journal")).toBe(false);
  expect((await prune(host)).freed).toBe(0);
  await rm(host.path("/etc/keelson"), { recursive: true });
});

it("62: when the list of images has lost one that a rollback target needs, nothing is removed", async () => {
  const { host, update } = await bed.installed();
  await bed.publish(v2);
  await update();
  const index = "/var/lib/keelson/images/index.json";
  const whole = host.read(index);
  const document = JSON.parse(whole) as { readonly manifests: readonly object[] };
  await put(host, index, JSON.stringify({ ...document, manifests: document.manifests.slice(0, 1) }));
  const failure = await host.refused(1, "prune");
  expect(failure).toMatchObject({ code: "E_STORE", message: expect.stringMatching(/generation [12] of foo/) });
  await put(host, index, whole);
  expect(await prune(host)).toEqual(nothing);
});

it("62: a broken container keeps every image, and is named", async () => {
  const { host } = await bed.installed();
  const moving = `${bed.registry.host}/moving:2`;
  for (const image of [v2, v1]) {
    await bed.publish(image, moving);
    await host.answer("pull", insecure, moving);
  }
  const record = host.read(`${deployments}/1/deployment.json`);
  await put(host, `${deployments}/1/deployment.json`, "{");
  const { status, stdout, stderr } = await host.keelson("prune");
  expect([status, stdout]).toEqual([0, "nothing to prune\n"]);
  expect(stderr).toContain("warning: foo is broken");
  await put(host, `${deployments}/1/deployment.json`, record);
  expect((await prune(host)).images).toHaveLength(1);
  await host.answer("images", "rm", moving);
});
