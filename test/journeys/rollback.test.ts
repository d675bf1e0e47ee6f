import { mkdir, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { namesIn } from "../../src/store/directory.ts";
import { configTemplate, contractManifest, etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import type { Host } from "../bed/journey.ts";
import type { LayerFiles } from "../bed/layer-files.ts";
import type { Snapshot } from "../bed/snapshot.ts";
import { deployments, insecure, openTag } from "../bed/tag.ts";

const shelf = openShelf();
const bed = openTag();
let v1: TestImage;
let v2: TestImage;

const image = (files: LayerFiles): Promise<TestImage> => shelf.build({ layers: [files] });
const tool = (content: string): LayerFiles[string] => ({ kind: "file", content, mode: 0o755 });

beforeAll(async () => {
  v1 = await image(
    etcdLike({
      "exports/hostfs/etc/old/only": "old\n",
      "exports/hostfs/etc/kind": "a file\n",
    }),
  );
  const manifest = { ...contractManifest, defaultValues: { PORT: "4001", RECEIVER: "Everybody" } };
  v2 = await image(
    etcdLike({
      "exports/manifest.json": JSON.stringify(manifest),
      "exports/service.template": serviceTemplate
        .replace("Etcd Server", "New Etcd")
        .replace("WantedBy=multi-user.target", "Alias=server.service\nRequiredBy=network.target"),
      "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME/new 0700 0 0 - -\n",
      "exports/hostfs/usr/local/bin/etcdctl": tool("#!/bin/sh\necho new\n"),
      "exports/hostfs/etc/etcd/etcd.conf": { kind: "file", content: "NEW=$PORT\n", mode: 0o600 },
      "exports/hostfs/etc/new/only": "new\n",
      "exports/hostfs/etc/kind": { kind: "symlink", target: "a link" },
    }),
  );
});
beforeEach(() => bed.publish(v1));

/** The root without keelson's own state. */
async function ofHost(host: Host): Promise<Snapshot> {
  const all = Object.entries(await host.snapshot());
  return Object.fromEntries(all.filter(([path]) => !path.startsWith("/var/lib/keelson")));
}

async function put(host: Host, path: string, content: string): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), content);
}

function contentOf(spec: LayerFiles[string] | undefined): string {
  if (typeof spec === "string") return spec;
  return typeof spec === "object" && "content" in spec ? String(spec.content) : "";
}

it("49, 50, 52: rollback, which --dry-run foretells, brings link, unit, its links, tmpfiles, host files and values back to what they were", async () => {
  const { host, update, rollback, environment, generation } = await bed.installed("--set", "PORT=7");
  const [first, values] = [await ofHost(host), environment()];
  await bed.publish(v2);
  await update("--unset", "PORT", "--allow-widen");
  const second = await ofHost(host);
  expect(host.read("/etc/systemd/system/foo.service")).toContain("Description=New Etcd foo\n");
  expect((await readdir(host.path("/etc/systemd/system"))).sort()).toEqual([
    "foo.service",
    "keelson-recover.service",
    "network.target.requires",
    "server.service",
    "sysinit.target.wants",
  ]);
  expect([host.read("/etc/foo/etcd.conf"), host.read("/etc/new/only")]).toEqual(["NEW=4001\n", "new\n"]);
  expect([host.has("/etc/old"), await readlink(host.path("/etc/kind"))]).toEqual([false, "a link"]);

  const before = await host.snapshot();
  const dry = await host.keelson("--json", "rollback", "--dry-run", "foo");
  expect([dry.status, await host.snapshot()]).toEqual([10, before]);
  const { changes } = JSON.parse(dry.stdout);
  expect(await rollback()).toMatchObject({ generation: 1, set: { PORT: "7" }, changes });
  expect(await ofHost(host)).toEqual(first);
  expect([await generation(), environment()]).toEqual([1, values]);
  expect(await rollback("--to", "2")).toMatchObject({ generation: 2, set: {} });
  expect(await ofHost(host)).toEqual(second);
});

it("49: with no earlier deployment, or none of that number, rollback is refused and changes nothing", async () => {
  const { host, update, rollback, generation } = await bed.installed();
  const failure = await host.refused(3, "rollback", "foo");
  expect(failure).toMatchObject({ code: "E_NOT_FOUND", message: expect.stringContaining("no earlier deployment") });
  await update("--set", "PORT=1");
  await rollback();
  for (const to of [["--to", "1"], ["--to", "3"], ["--to", "x"], []]) {
    expect((await host.refused(3, "rollback", "foo", ...to)).code).toBe("E_NOT_FOUND");
  }
  expect(await update("--set", "PORT=2")).toMatchObject({ generation: 3 });
  expect(await generation()).toBe(3);
});

it("33, 54: what an administrator edited or added survives update and rollback, and is named", async () => {
  const { host, update, rollback } = await bed.installed();
  const [unit, conf, kind] = ["/etc/systemd/system/foo.service", "/etc/foo/etcd.conf", "/etc/kind"];
  const dropIn = `${unit}.d/limits.conf`;
  const mine: Readonly<Record<string, string>> = {
    [unit]: `${host.read(unit)}# mine\n`,
    [conf]: "mine\n",
    [kind]: "mine\n",
    [dropIn]: "[Service]\nMemoryMax=1G\n",
  };
  for (const [path, content] of Object.entries(mine)) await put(host, path, content);
  const stays = (): void => {
    for (const [path, content] of Object.entries(mine)) expect(host.read(path)).toBe(content);
  };
  await bed.publish(v2);
  const { status, stderr } = await host.keelson("update", insecure, "--allow-widen", "foo");
  expect(status, stderr).toBe(0);
  for (const path of [unit, conf, kind]) expect(stderr).toContain(`warning: ${path} was changed`);
  expect(stderr).not.toContain(dropIn);
  stays();
  expect([...(await update("--set", "PORT=1", "--allow-widen")).kept].sort()).toEqual([conf, kind, unit]);
  expect([...(await rollback("--to", "1")).kept].sort()).toEqual([conf, kind, unit]);
  stays();
  await host.answer("uninstall", "foo");
  stays();
  for (const path of Object.keys(mine)) await rm(host.path(path));
  for (const path of [dirname(dropIn), dirname(conf)]) await rm(host.path(path), { recursive: true });
  await rm(host.path("/etc/systemd"), { recursive: true });
  await host.answer("install", insecure, "--name", "foo", bed.tag);
});

it("24: an image of host files only can be updated and rolled back, and one with a service can become one", async () => {
  const { host, update, rollback } = await bed.installed();
  const [before, only] = [await ofHost(host), { "exports/manifest.json": '{"noContainerService": true}' }];
  await bed.publish(await image({ ...only, "exports/hostfs/opt/tool": "1\n" }));
  const { unit, changes } = await update("--allow-widen");
  expect([unit, changes.map(({ kind }) => kind)]).toEqual([null, expect.arrayContaining(["disable", "reload"])]);
  expect(host.has("/etc/systemd/system/foo.service")).toBe(false);
  await bed.publish(await image({ ...only, "exports/hostfs/opt/tool": "2\n", "exports/hostfs/opt/more": "2\n" }));
  expect((await update("--allow-widen")).changes.map(({ kind }) => kind)).toEqual(["file", "file", "current"]);
  expect([host.read("/opt/tool"), host.read("/opt/more")]).toEqual(["2\n", "2\n"]);
  await rollback();
  expect([host.read("/opt/tool"), host.has("/opt/more")]).toEqual(["1\n", false]);
  await rollback();
  expect(await ofHost(host)).toEqual(before);
});

it("21: lines for what is bound stay the same on update though the directory is there now", async () => {
  const bind = { destination: "/data", source: "/var/lib/foo/data", type: "bind", options: ["bind"] };
  const files = { "exports/tmpfiles.template": undefined, "exports/config.json.template": configTemplate([], [bind]) };
  await bed.publish(await image(etcdLike(files)));
  const { host, update } = await bed.installed();
  const lines = host.read("/etc/tmpfiles.d/keelson-foo.conf");
  expect(lines).toBe("d /var/lib/foo/data 0700 0 0 - -\n");
  await mkdir(host.path("/var/lib/foo/data"), { recursive: true });
  for (const port of ["1", "2"]) {
    await update("--set", `PORT=${port}`);
    expect(host.read("/etc/tmpfiles.d/keelson-foo.conf")).toBe(lines);
  }
});

it("55: a container of a directory can be updated again and again, and rolled back", async () => {
  const tree = Object.entries(etcdLike()).map(([path, spec]) => [`/srv/tree/rootfs/${path}`, contentOf(spec)] as const);
  const { host, update, rollback, environment } = await bed.installedWith(
    async (made) => {
      for (const [path, content] of tree) await put(made, path, content);
    },
    "--rootfs",
    "/srv/tree",
  );
  for (const port of ["1", "2"]) {
    await update("--set", `PORT=${port}`);
    expect(environment().PORT).toBe(port);
    expect(await readlink(host.path(`${deployments}/current/rootfs`))).toBe("/srv/tree/rootfs");
    expect(host.read("/etc/foo/etcd.conf")).toBe(`PORT=${port}\nNAME=foo\n`);
    expect(host.read("/usr/local/bin/fooctl")).toContain(port === "2" ? "two" : "$NAME");
    await put(host, "/srv/tree/rootfs/exports/hostfs/usr/local/bin/etcdctl", "two\n");
  }
  // The directory has what it has now; an earlier deployment has what it had then.
  await rollback();
  expect([environment().PORT, host.read("/etc/foo/etcd.conf")]).toEqual(["1", "PORT=1\nNAME=foo\n"]);
  expect(host.read("/usr/local/bin/fooctl")).toBe('#!/bin/sh\necho "$NAME"\n');
  for (const [path, content] of tree) await put(host, path, content);
});

it("as many deployments stay as keep says, a pinned one beside them; history has a row for each", async () => {
  const { host, update } = await bed.installed();
  await put(host, "/etc/keelson/keelson.conf", "keep = 2\n");
  expect(await host.answer("pin", "foo", "1")).toEqual({ name: "foo", generation: 1, pinned: true });
  await update("--set", "PORT=1");
  await bed.publish(v2);
  const { digest } = await update("--set", "RECEIVER=me", "--allow-widen");
  await update("--set", "PORT=2", "--unset", "RECEIVER");
  const row = { current: false, pinned: false, outcome: "good", reason: "", image: bed.tag, digest };
  const created = expect.stringMatching(/^20[0-9-]+T[0-9:.]+Z$/);
  const first = {
    ...row,
    created,
    generation: 1,
    pinned: true,
    outcome: "installed",
    digest: expect.not.stringContaining(digest),
    changed: [],
  };
  expect(await host.answer("history", "foo")).toEqual([
    first,
    { ...row, created, generation: 3, changed: ["+PORT", "+RECEIVER"] },
    { ...row, created, generation: 4, current: true, changed: ["PORT", "-RECEIVER"] },
  ]);
  const { stdout } = await host.keelson("history", "foo");
  expect(stdout).toMatch(/^ +GENERATION +CREATED .*\n! +1 .*\n +3 .*\n\* +4 .*PORT -RECEIVER\n$/);
  expect((await host.refused(3, "pin", "foo", "2")).code).toBe("E_NOT_FOUND");

  await host.answer("pin", "--remove", "foo", "1");
  await update("--set", "PORT=3");
  expect((await readdir(host.path(deployments))).sort()).toEqual(["4", "5", "current"]);
  expect(await host.answer<readonly object[]>("images")).toHaveLength(1);
  await rm(host.path("/etc/keelson"), { recursive: true });
});

it("52: whether it is enabled is for an administrator to change, and stays so over updates and rollbacks", async () => {
  const { host, update, rollback } = await bed.installed();
  const wants = "/etc/systemd/system/multi-user.target.wants";
  const enabled = (): readonly string[] => namesIn(host.path(wants)).toSorted();
  const target = await readlink(host.path(`${wants}/foo.service`));
  await rm(host.path(`${wants}/foo.service`));
  await update("--set", "PORT=1");
  const also = serviceTemplate.replace("WantedBy=", "Also=other.service\nWantedBy=");
  await put(host, "/usr/lib/systemd/system/other.service", "[Install]\nWantedBy=multi-user.target\n");
  await bed.publish(await image(etcdLike({ "exports/service.template": also })));
  await update("--allow-widen");
  expect(enabled()).toEqual([]);
  await rollback();
  expect(enabled()).toEqual([]);

  await symlink(target, host.path(`${wants}/foo.service`));
  // Only what Also= names is new, and it is enabled with foo.
  await rollback("--to", "3");
  expect(enabled()).toEqual(["foo.service", "other.service"]);
  await rollback();
  expect(enabled()).toEqual(["foo.service"]);
  await rm(host.path("/usr/lib"), { recursive: true });
});
