import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestImage } from "../bed/images.ts";
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
    ["loops", "that crash-loops under Restart=always", /started it again/],
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
    expect((await host.keelson("uninstall", "--purge", "svc")).status).toBe(0);
  });
});
