import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestImage } from "../bed/images.ts";
import { calledBy, watchCalls } from "./bus.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { buildVersions } from "./versions.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;

beforeAll(async () => {
  images = await buildVersions();
  host = await bootHost(images);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

const soak = ["--soak", "2s", "--tls-verify=false"];
const briefly = ["--soak", "300ms", "--tls-verify=false"];
const rebase = (to: string) => host.keelson("update", "svc", "--rebase", inRegistry(to), ...soak);
const stateOf = async (): Promise<string | undefined> => (await host.show("svc.service", "ActiveState")).ActiveState;
const version = async (): Promise<string> => (await host.machine.ok(["cat", "/var/lib/svc/version"])).trim();

interface Row {
  readonly generation: number;
  readonly current: boolean;
  readonly outcome: string;
  readonly reason: string;
}
const history = async (): Promise<readonly Row[]> => (await host.answer("history", "svc")) as unknown as readonly Row[];

const tmpfiles = "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-svc.conf";

/** Carries out a command and compares what systemd is told with the plan, whose verbs are given back. */
async function follow(...args: readonly string[]): Promise<readonly string[]> {
  const { verbs } = (await host.answer("plan", ...args)) as { readonly verbs: readonly string[] };
  const { status, said, told } = await watchCalls(host, ...args);
  expect(status, said).toBe(0);
  expect(told).toEqual(calledBy(verbs));
  return verbs;
}

describe("an update on a running system", () => {
  it("42: leaves a service stopped that was stopped", async () => {
    await host.install("v1", "--name", "svc");
    const { status, stderr } = await rebase("v2");
    expect(status, stderr).toBe(0);
    expect(await stateOf()).toBe("inactive");
  });

  it("41: stops and starts one that ran, and it runs the new version", async () => {
    await host.systemctl("start", "svc");
    expect(await version()).toBe("2");
    const { status, stderr } = await rebase("v1");
    expect(status, stderr).toBe(0);
    expect([await stateOf(), await version()]).toEqual(["active", "1"]);
  });

  it("39: does nothing when image and values are what they were", async () => {
    const { InvocationID: before } = await host.show("svc.service", "InvocationID");
    const { status, stdout } = await host.keelson("update", "svc", ...soak);
    expect([status, stdout]).toEqual([0, "svc: Latest version already installed.\n"]);
    expect((await host.show("svc.service", "InvocationID")).InvocationID).toBe(before);
  });

  it("39: and says nothing to systemd then", async () => {
    const { status, said, methods } = await watchCalls(host, "update", "svc", ...soak);
    expect([status, said, methods]).toEqual([0, "svc: Latest version already installed.\n", []]);
  });

  it("that is refused, for what it widens or for an override that is not well formed, leaves what runs alone", async () => {
    const { InvocationID: before } = await host.show("svc.service", "InvocationID");
    const wide = await watchCalls(host, "update", "svc", "--rebase", inRegistry("moved"), ...soak);
    expect([wide.status, wide.told]).toEqual([11, []]);
    expect(wide.said).toContain("it reaches into other units: RequiredBy=keelson-test.target (E_WIDENS)");
    await host.put("/etc/keelson/svc.d/a.conf", "[limits]\nfiles = 1\n");
    const broken = await watchCalls(host, "update", "svc", ...soak);
    expect([broken.status, broken.methods]).toEqual([2, []]);
    await host.machine.ok(["rm", "/etc/keelson/svc.d/a.conf"]);
    expect(await stateOf()).toBe("active");
    expect((await host.show("svc.service", "InvocationID")).InvocationID).toBe(before);
  });

  it("28: tells systemd what the plan says, in its order, and nothing else", async () => {
    const to = ["update", "svc", "--allow-widen", "--rebase", inRegistry("moved"), ...briefly];
    const unit = "svc.service";
    expect(await follow(...to)).toEqual([
      ...[`systemctl stop ${unit}`, `systemctl disable ${unit}`, "systemctl daemon-reload", tmpfiles],
      ...[`systemctl enable ${unit}`, `systemctl start ${unit}`],
    ]);
    expect([await stateOf(), await version()]).toEqual(["active", "2"]);
    expect(await follow("rollback", "svc", "--soak", "300ms")).toContain(`systemctl start ${unit}`);
    expect([await stateOf(), await version()]).toEqual(["active", "1"]);
    expect(await follow("update", "svc", "--set", "WORD=1", ...briefly)).toEqual([
      ...[`systemctl stop ${unit}`, tmpfiles, `systemctl start ${unit}`],
    ]);
  });

  it("51: a rollback of a running service ends with it running", async () => {
    const { status, stderr } = await host.keelson("rollback", "svc", "--soak", "1s");
    expect(status, stderr).toBe(0);
    expect([await stateOf(), await version()]).toEqual(["active", "2"]);
    expect((await rebase("v1")).status).toBe(0);
  });
});

describe("44: a faulty update ends on the old version, running, with the reason on the screen", () => {
  it.each([
    ["fails", "that fails to start", /cannot open the database/],
    ["later", "that is up, and then exits", /did not stay healthy|inactive|failed/],
    ["loops", "that crash-loops under Restart=always", /did not stay healthy/],
    ["unready", "that never gets ready", /did not start/],
    ["sick", "whose health check fails", /health check failed/],
  ])("%s: one %s", async (name, _, reason) => {
    const { generation } = (await history()).find((row) => row.current) ?? { generation: 0 };
    const { status, stderr } = await rebase(name);
    expect(stderr).toMatch(reason);
    expect(stderr).toContain(`svc is back on generation ${generation}`);
    expect(status).toBe(8);
    expect([await stateOf(), await version()]).toEqual(["active", "1"]);
    const rows = await history();
    expect(rows.find((row) => row.current)?.generation).toBe(generation);
    expect(rows.at(-1)).toMatchObject({ outcome: "failed", current: false });
  });

  it("breaks: one that is well itself, but breaks what depends on it", async () => {
    const lines = [
      "[Unit]",
      "Requires=svc.service",
      "After=svc.service",
      "[Service]",
      "ExecStart=/bin/sh -c 'while sleep 0.2; do grep -q [12] /var/lib/svc/version || exit 1; done'",
      "",
    ];
    await host.put("/etc/systemd/system/dependent.service", lines.join("\n"));
    await host.systemctl("daemon-reload");
    await host.systemctl("start", "dependent");
    const { status, stderr } = await rebase("breaks");
    expect(stderr).toMatch(/dependent\.service, which depends on it/);
    expect(status).toBe(8);
    expect([await stateOf(), await version()]).toEqual(["active", "1"]);
    expect((await host.show("dependent.service", "ActiveState")).ActiveState).toBe("active");
  });

  it("keeps three deployments, and none that is failed in place of the current one", async () => {
    const rows = await history();
    expect(rows.filter((row) => row.current)).toHaveLength(1);
    // It is the last one: the unit for recovery goes, too.
    const gone = "systemctl daemon-reload";
    expect(await follow("uninstall", "--purge", "svc")).toEqual([
      ...["systemctl stop svc.service", "systemctl disable svc.service", gone, tmpfiles.replace("create", "remove")],
      ...[gone, "systemctl reset-failed svc.service"],
    ]);
  });
});
