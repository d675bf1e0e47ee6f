import { afterAll, beforeAll, expect, it } from "vitest";
import { type DiskChanges, differingPaths, readDiskChanges } from "../../examples/demo/disk-changes.ts";
import type { TestImage } from "../bed/images.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { buildVersions } from "./versions.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;
let before: DiskChanges;

beforeAll(async () => {
  images = await buildVersions();
  host = await bootHost(images);
  before = readDiskChanges(host.machine);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

const journal = "/var/lib/keelson/journal/transaction";
const version = async (): Promise<string> => (await host.machine.ok(["cat", "/var/lib/svc/version"])).trim();

/** Kills keelson where it is about to remove `path`, pulls the machine's plug, and boots it again. */
function cutAt(path: string, ...args: readonly string[]): Promise<void> {
  return cutAtCall("unlink,unlinkat", path, args);
}

async function cutAtCall(calls: string, path: string, args: readonly string[]): Promise<void> {
  const inject = ["-f", "-qq", "-o", "/dev/null", "-P", path, "-e", `inject=${calls}:signal=KILL`];
  const { status, stderr } = await host.machine.run(["strace", ...inject, host.program, ...args]);
  expect(status, stderr).toBe(-1);
  await host.cutPower();
}

/** The host is up, with nothing failed, and the recovery unit has run, said this, and ended well. */
async function expectRecovered(said: string): Promise<void> {
  expect(await host.systemctl("--failed", "--plain", "--no-legend")).toBe("");
  expect(await host.machine.ok(["journalctl", "-b", "-o", "cat", "-u", "keelson-recover.service"])).toContain(said);
  expect(await host.machine.run(["test", "-e", journal])).toMatchObject({ status: 1 });
  expect(await host.answer("verify")).toMatchObject({ clean: true, findings: [] });
}

it("a boot takes back an update that a power cut left before its end, and then starts the old version only", async () => {
  await host.install("v1", "--name", "svc", "--start");
  await cutAt(journal, "update", "svc", "--rebase", inRegistry("v2"), "--soak", "1ms", "--tls-verify=false");
  await expectRecovered("update svc had been interrupted and was taken back");
  const { ActiveState, NRestarts } = await host.show("svc.service", "ActiveState", "NRestarts");
  expect([ActiveState, NRestarts, await version()]).toEqual(["active", "0", "1"]);
  const [recovered, started] = await Promise.all([
    host.show("keelson-recover.service", "ExecMainExitTimestampMonotonic"),
    host.show("svc.service", "InactiveExitTimestampMonotonic"),
  ]);
  expect(Number(recovered.ExecMainExitTimestampMonotonic)).toBeGreaterThan(0);
  expect(Number(recovered.ExecMainExitTimestampMonotonic)).toBeLessThan(Number(started.InactiveExitTimestampMonotonic));
});

it("what an update had disabled when the power went is enabled again, and comes up with that very boot", async () => {
  const update = ["update", "svc", "--rebase", inRegistry("relinked"), "--tls-verify=false"];
  await cutAtCall("rename", "/etc/systemd/system/.svc.service.keelson-new", update);
  await expectRecovered("update svc had been interrupted and was taken back");
  expect(await host.systemctl("is-enabled", "svc")).toBe("enabled\n");
  expect([(await host.show("svc.service", "ActiveState")).ActiveState, await version()]).toEqual(["active", "1"]);
});

it("a boot with nothing to recover does not run keelson", async () => {
  await host.cutPower();
  expect(await version()).toBe("1");
  const { ConditionResult, ExecMainPID } = await host.show("keelson-recover.service", "ConditionResult", "ExecMainPID");
  expect([ConditionResult, ExecMainPID]).toEqual(["no", "0"]);
});

it("a boot finishes an uninstallation, and the recovery unit goes with the last container", async () => {
  await cutAt("/etc/tmpfiles.d/keelson-svc.conf", "uninstall", "--purge", "svc");
  expect(await host.systemctl("--failed", "--plain", "--no-legend")).toBe("");
  expect(await host.answer("list")).toEqual([]);
  expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
});

it("a boot takes back an installation, and nothing of it is started", async () => {
  await cutAt(journal, "install", "--name", "svc", "--tls-verify=false", inRegistry("v2"));
  expect(await host.systemctl("--failed", "--plain", "--no-legend")).toBe("");
  expect(await host.answer("list")).toEqual([]);
  expect((await host.show("svc.service", "LoadState", "ActiveState")).LoadState).toBe("not-found");
  expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
});
