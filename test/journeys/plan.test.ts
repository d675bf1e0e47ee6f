import { randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { contractManifest, etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Answer, type Host, makeHost, type Ran, runKeelson } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { differingPaths, type Snapshot } from "../bed/snapshot.ts";
import { deployments, insecure, openTag } from "../bed/tag.ts";
import { watchRegistry } from "../bed/watched-registry.ts";

const shelf = openShelf();
const bed = openTag();
let v1: TestImage;
let v2: TestImage;

beforeAll(async () => {
  const [shared, fresh] = [50_000, 70_000].map((size) => ({ "usr/share/data": randomBytes(size) }));
  if (shared === undefined || fresh === undefined) throw new Error("two layers");
  v1 = await shelf.build({ layers: [etcdLike({ "exports/hostfs/etc/etcd/kind": "a file\n" }), shared, shared] });
  const manifest = { ...contractManifest, defaultValues: { PORT: "4001", RECEIVER: "World" } };
  const changed = etcdLike({
    "exports/manifest.json": JSON.stringify(manifest),
    "exports/service.template": serviceTemplate.replace("multi-user", "graphical"),
    "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0755 0 0 - -\n",
    "exports/hostfs/etc/etcd/kind": { kind: "symlink", target: "a link" },
    "exports/hostfs/etc/new/file": "new\n",
  });
  v2 = await shelf.build({ layers: [shared, changed, fresh, fresh] });
});

interface Plan extends Answer {
  readonly verbs: readonly string[];
  readonly fetch: { readonly bytes: number; readonly layers: number; readonly ofLayers: number };
  readonly files: readonly { readonly path: string; readonly diff: string | null }[];
  readonly config: readonly object[];
  readonly changes: readonly (Answer["changes"][number] & { readonly links?: readonly string[] })[];
}

/** Runs keelson with a temporary directory of its own, which has to be empty afterwards. */
async function tidily(host: Host, ...args: readonly string[]): Promise<Ran> {
  const TMPDIR = scratchDirectory();
  const ran = await runKeelson(["--root", host.root, ...args], { environment: { TMPDIR } });
  expect(await readdir(TMPDIR)).toEqual([]);
  return ran;
}

/** The plan for a command, which leaves every byte of the root and nothing elsewhere. */
async function planned(host: Host, ...args: readonly string[]): Promise<Plan> {
  const before = await host.snapshot();
  const { status, stdout, stderr } = await tidily(host, "--json", "plan", ...args);
  expect(status, stderr).toBe(10);
  expect(await host.snapshot()).toEqual(before);
  return JSON.parse(stdout);
}

/** What differs on the host, and of keelson's own state which deployment is the current one. */
function changedPaths(before: Snapshot, after: Snapshot): readonly string[] {
  return differingPaths(before, after).filter(
    (path) => !path.startsWith("/var/lib/keelson") || path === `${deployments}/current`,
  );
}

/** Every path that a plan names; systemd makes and removes the directories of its links. */
function namedPaths({ changes }: Plan): readonly string[] {
  const paths = changes.flatMap(({ kind, path, links = [] }) => {
    if (kind === "current") return [`${deployments}/current`];
    const named = ["file", "symlink", "directory"].includes(kind) && path !== null ? [path] : [];
    return [...named, ...links.flatMap((link) => [link, dirname(link)])];
  });
  return [...new Set(paths)].sort();
}

/** Plans a command, carries it out, and compares what has changed with the plan, which is given back. */
async function followed(host: Host, ...args: readonly string[]): Promise<Plan> {
  const plan = await planned(host, ...args);
  const before = await host.snapshot();
  const done = await host.answer<Plan>(...args);
  expect(done.changes).toEqual(plan.changes);
  expect(changedPaths(before, await host.snapshot())).toEqual(namedPaths(plan));
  return plan;
}

interface Layer {
  readonly digest: string;
  /** As it is compressed. */
  readonly size: number;
}

/** The first three layers of an image in the registry. */
async function layersOf(tag: string): Promise<readonly [Layer, Layer, Layer]> {
  const { layers } = JSON.parse(await run("skopeo", "inspect", "--raw", insecure, `docker://${tag}`));
  return layers.slice(0, 3).map(({ digest, size }: Layer) => ({ digest, size }));
}

const lines = "/etc/tmpfiles.d/keelson-foo.conf";

it("28: of each command the plan changes nothing, is what is carried out, and says what has to be fetched", async () => {
  const [host, registry] = [await makeHost(), await watchRegistry(bed.registry.host)];
  const tag = `${registry.host}/etcd:latest`;
  /** The layers that have been sent since it was last asked. */
  const sent = (among: readonly Layer[]): readonly Layer[] => {
    const all = registry.asked().map(({ what, bytes }) => ({ digest: what.replace("blobs/", ""), size: bytes }));
    registry.forget();
    return all.filter(({ digest }) => among.some((layer) => layer.digest === digest));
  };

  await bed.publish(v1);
  const [etcd, shared] = await layersOf(bed.tag);
  const install = ["install", insecure, "--name", "foo", tag];
  const first = await planned(host, ...install);
  expect(first.fetch).toEqual({ bytes: etcd.size + shared.size, layers: 2, ofLayers: 3 });
  expect(sent([etcd, shared])).toEqual([etcd, shared]);
  await followed(host, ...install);
  const verbs = ["systemctl daemon-reload", `systemd-tmpfiles --create ${lines}`, "systemctl enable foo.service"];
  expect(first.verbs).toEqual(verbs);
  // As a boot would.
  for (const directory of ["/var/lib/foo", "/run/foo"]) await mkdir(host.path(directory), { recursive: true });

  await bed.publish(v2);
  const [, changed, fresh] = await layersOf(bed.tag);
  sent([]);
  const update = await followed(host, "update", insecure, "--allow-widen", "foo");
  expect(update.fetch).toEqual({ bytes: changed.size + fresh.size, layers: 2, ofLayers: 4 });
  // By the plan, and by the update.
  expect(sent([etcd, shared, changed, fresh])).toEqual([changed, fresh, changed, fresh]);
  expect(update.verbs).toEqual(["systemctl disable foo.service", ...verbs]);

  const rollback = await followed(host, "rollback", "foo");
  const nothing = { bytes: 0, layers: 0, ofLayers: 0 };
  expect([rollback.fetch, rollback.verbs]).toEqual([nothing, update.verbs]);
  const uninstall = await followed(host, "uninstall", "foo");
  const [reload, forget] = ["systemctl daemon-reload", "systemctl reset-failed foo.service"];
  const removal = [reload, `systemd-tmpfiles --remove ${lines}`, reload, forget];
  expect([uninstall.fetch, uninstall.verbs]).toEqual([nothing, ["systemctl disable foo.service", ...removal]]);
  expect(registry.asked()).toEqual([]);
});

it("says the differences of unit, config.json, tmpfiles lines and host files, for people and as JSON", async () => {
  await bed.publish(v1);
  const { host } = await bed.installed();
  await bed.publish(v2);
  const plan = await planned(host, "update", insecure, "foo");
  const { status, stdout } = await tidily(host, "update", insecure, "--dry-run", "foo");
  expect(status).toBe(10);
  const unit = "/etc/systemd/system/foo.service";
  const differences: readonly (readonly [string, string])[] = [
    [unit, "-WantedBy=multi-user.target\n+WantedBy=graphical.target\n"],
    [lines, "-d /var/lib/foo 0700 0 0 - -\n-d /run/foo 0755 0 0 - -\n+d /var/lib/foo 0755 0 0 - -\n"],
    ["/etc/foo/etcd.conf", "-PORT=2379\n+PORT=4001\n NAME=foo\n"],
  ];
  for (const [path, text] of differences) {
    const diff = plan.files.find((file) => file.path === path)?.diff ?? "";
    expect(diff).toContain(`--- ${path}\n+++ ${path}\n`);
    expect(diff).toContain(text);
    expect(stdout).toContain(diff);
  }
  expect(plan.files.find(({ path }) => path === "/etc/new/file")?.diff).toContain("+new\n");
  expect(stdout).not.toContain("+new\n");
  expect(plan.config).toEqual([{ path: "process.env.PORT", from: "2379", to: "4001" }]);
  for (const line of [
    ...plan.changes.map(({ text }) => text),
    'config.json: process.env.PORT: "2379" -> "4001"',
    `fetch ${plan.fetch.bytes} bytes, 2 of 4 layers`,
    "+ the container puts on the host /etc/new/file",
  ]) {
    expect(stdout.split("\n")).toContain(line);
  }
});

it("with nothing to do ends with 0, without a word but that; of an image that is here fetches nothing", async () => {
  await bed.publish(v1);
  const { host } = await bed.installed();
  for (const args of [
    ["plan", "update"],
    ["update", "--dry-run"],
  ]) {
    const { status, stdout, stderr } = await tidily(host, ...args, insecure, "foo");
    expect([status, stdout, stderr]).toEqual([0, "foo: Latest version already installed.\n", ""]);
  }
  const other = await planned(host, "install", insecure, "--name", "bar", bed.tag);
  expect(other.fetch).toEqual({ bytes: 0, layers: 0, ofLayers: 3 });
  const set = await planned(host, "update", insecure, "--set", "PORT=1", "foo");
  expect([set.fetch, set.config]).toEqual([
    { bytes: 0, layers: 0, ofLayers: 3 },
    [{ path: "process.env.PORT", from: "2379", to: "1" }],
  ]);
});

it("leaves nothing behind when it fails", async () => {
  await bed.publish(v1);
  const { host } = await bed.installed();
  const bad = await shelf.build({ layers: [etcdLike({ "exports/manifest.json": "{" }), { new: "1" }] });
  const before = await host.snapshot();
  expect((await tidily(host, "plan", "update", "--rebase", bad.reference, "foo")).status).toBe(1);
  expect((await tidily(host, "plan", "install", "--name", "bar", bad.reference)).status).toBe(1);
  expect(await host.snapshot()).toEqual(before);
});

it("28: fails for what the command would fail for", async () => {
  const host = await makeHost();
  await mkdir(host.path("/usr/local/bin"), { recursive: true });
  await writeFile(host.path("/usr/local/bin/fooctl"), "mine\n");
  expect((await host.refused(4, "plan", "install", "--name", "foo", v1.reference)).code).toBe("E_FILE_EXISTS");
  for (const verb of ["update", "rollback", "uninstall"]) {
    expect((await host.refused(3, "plan", verb, "foo")).code).toBe("E_NOT_FOUND");
  }
});
