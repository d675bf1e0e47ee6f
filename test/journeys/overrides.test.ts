import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, beforeEach, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import { configTemplate, etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import type { Answer, Host } from "../bed/journey.ts";
import { deployments, insecure, openTag } from "../bed/tag.ts";

const shelf = openShelf();
const bed = openTag();
let v1: TestImage;
let v2: TestImage;

beforeAll(async () => {
  const config = JSON.parse(configTemplate());
  const data = { destination: "/data", type: "tmpfs", source: "tmpfs" };
  const capabilities = { bounding: ["CAP_CHOWN"], effective: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"] };
  config.process.capabilities = capabilities;
  config.mounts.push(data);
  const files = (changed: JsonObject) => ({
    "exports/config.json.template": JSON.stringify({ ...config, ...changed }),
  });
  v1 = await shelf.build({ layers: [etcdLike(files({}))] });
  v2 = await shelf.build({ layers: [etcdLike(files({ hostname: "v2" }))] });
});
beforeEach(() => bed.publish(v1));

const [first, second] = ["/etc/keelson/foo.d/10-first.conf", "/etc/keelson/foo.d/20-second.conf"] as const;
const everything = `; of all kinds
[environment]
PORT = 1234             ; replaced
DEBUG = true            ; added
[process]
args[] = --log-level
args[] = debug
[mounts]
/data = /srv/etcd:ro
[capabilities]
add = CAP_NET_ADMIN
drop = CAP_CHOWN
[limits]
nofile = 65536:131072
memory = 512M
pids = 200
`;
const linesOfEverything = [
  "environment PORT=1234",
  "environment DEBUG=true",
  "process args=--log-level debug",
  "mounts /data=/srv/etcd:ro",
  "capabilities add=CAP_NET_ADMIN",
  "capabilities drop=CAP_CHOWN",
  "limits nofile=65536:131072",
  "limits memory=512M",
  "limits pids=200",
].map((line) => `${first}: ${line}`);

async function put(host: Host, path: string, text: string): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), text);
}
const configOf = (host: Host): JsonObject => JSON.parse(host.read(`${deployments}/current/config.json`));

interface Shown extends Answer {
  readonly overrides: readonly string[];
  readonly config: readonly { readonly path: string; readonly from?: unknown; readonly to?: unknown }[];
  readonly privileges: { readonly widened: readonly object[] };
}
const planned = async (host: Host): Promise<Shown> => (await host.plan("update", insecure, "foo")) as Shown;

it("are applied at installation, survive an update of the image, and show in plan and info", async () => {
  const { host, update } = await bed.installedWith((made) => put(made, first, everything), "--set", "PORT=1");
  const { process, mounts, linux } = configOf(host);
  const overridden = {
    env: ["RECEIVER=World", expect.stringMatching(/^UUID=/), "PORT=1234", "DEBUG=true"],
    args: ["/usr/bin/etcd", "--name", "foo", "--log-level", "debug"],
    capabilities: { bounding: ["CAP_NET_ADMIN"], effective: ["CAP_NET_ADMIN"], permitted: ["CAP_NET_ADMIN"] },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 131072, soft: 65536 }],
  };
  const mount = { destination: "/data", type: "bind", source: "/srv/etcd", options: ["rbind", "ro"] };
  const resources = { memory: { limit: 512 * 1024 ** 2 }, pids: { limit: 200 } };
  expect([process, mounts[1], linux.resources]).toEqual([expect.objectContaining(overridden), mount, resources]);
  expect(mounts).toHaveLength(2);

  await bed.publish(v2);
  const plan = await planned(host);
  expect([plan.overrides, plan.config]).toEqual([linesOfEverything, [{ path: "hostname", to: "v2" }]]);
  expect(await update()).toMatchObject({ updated: true, generation: 2 });
  expect(configOf(host)).toMatchObject({ hostname: "v2", process: overridden, linux: { resources } });
  const info = await host.answer<Shown>("info", "foo");
  expect(info.overrides).toEqual(linesOfEverything);
  expect(info.privileges).toContainEqual({ kind: "capability", text: "has capability CAP_NET_ADMIN" });
  const { stdout } = await host.keelson("info", "foo");
  for (const line of linesOfEverything) expect(stdout).toContain(`\noverride: ${line}\n`);
});

it("that are edited, added or removed are noticed by update though the image is the same; rollback goes back", async () => {
  const { host, update, rollback, environment, generation } = await bed.installed();
  await put(host, first, "[environment]\nA = 1\n[capabilities]\nadd = CAP_SYS_ADMIN\n");
  const plan = await planned(host);
  expect(plan.overrides).toEqual([`${first}: environment A=1`, `${first}: capabilities add=CAP_SYS_ADMIN`]);
  expect(plan.config).toContainEqual({ path: "process.env.A", to: "1" });
  // It is the administrator's own doing.
  expect(plan.privileges.widened).toEqual([]);
  expect(await update()).toMatchObject({ updated: true });
  expect(environment().A).toBe("1");
  expect(await update()).toMatchObject({ updated: false });

  await put(host, second, "[environment]\nA = 2\n");
  const { stdout } = await host.keelson("plan", "update", insecure, "foo");
  expect(stdout.split("\n")).toEqual(
    expect.arrayContaining([`override ${second}: environment A=2`, 'config.json: process.env.A: "1" -> "2"']),
  );
  await update();
  expect(environment().A).toBe("2");
  await rm(host.path(second));
  await update("--offline");
  expect([environment().A, await generation()]).toEqual(["1", 4]);
  await rm(host.path(first));
  await update();
  expect(environment().A).toBeUndefined();
  expect(await update()).toMatchObject({ updated: false });

  await rollback();
  expect([environment().A, configOf(host).process.capabilities.effective]).toEqual([
    "1",
    ["CAP_CHOWN", "CAP_SYS_ADMIN"],
  ]);
  // The files are not what they were then: there is something to do again.
  expect(await update()).toMatchObject({ updated: true });
  expect(environment().A).toBeUndefined();
  await rm(host.path("/etc/keelson"), { recursive: true });
});

it("that are not well formed stop update and install with 2, and change nothing", async () => {
  const { host } = await bed.installed();
  await bed.publish(v2);
  for (const [text, message] of [
    ["[limits]\nfiles = 1\n", "limits files is not known"],
    ["[limit]\n", "limit is no section"],
    ["[mounts]\n/data = srv\n", "mounts /data is not of the form"],
  ] as const) {
    await put(host, first, text);
    const failure = await host.refused(2, "update", insecure, "foo");
    expect([failure.code, failure.message]).toEqual(["E_SETTINGS", expect.stringContaining(`${first}: ${message}`)]);
  }
  expect((await host.refused(2, "plan", "update", insecure, "foo")).code).toBe("E_SETTINGS");
  await put(host, "/etc/keelson/bar.d/a.conf", "[limit]\n");
  expect((await host.refused(2, "install", v1.reference, "--name", "bar")).code).toBe("E_SETTINGS");
  // Commands that render nothing work as ever.
  expect(await host.answer("info", "foo")).toMatchObject({ overrides: [] });
  await rm(host.path("/etc/keelson"), { recursive: true });
});

it("are the administrator's: uninstall leaves them, and the next installation has them", async () => {
  const { host, environment } = await bed.installedWith((made) => put(made, first, "[environment]\nA = 1\n"));
  const before = await host.snapshot();
  await host.answer("uninstall", "foo");
  expect(host.read(first)).toBe("[environment]\nA = 1\n");
  await host.answer("install", insecure, "--name", "foo", bed.tag);
  expect(environment().A).toBe("1");
  expect(await host.snapshot()).toEqual(before);
});
