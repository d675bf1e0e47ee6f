import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { buildVersions } from "./versions.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;

beforeAll(async () => {
  images = await buildVersions();
  host = await bootHost(images);
  await host.install("v1", "--name", "svc", "--start");
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

interface Status {
  readonly clean: boolean;
  readonly containers: readonly object[];
}

const unit = "/etc/systemd/system/svc.service";
const script = "/var/lib/keelson/deployments/svc/1/rootfs/run.sh";

async function status(): Promise<Status & { readonly exit: number }> {
  const { status: exit, stdout } = await host.keelson("--json", "status");
  return { exit, ...(JSON.parse(stdout) as Status) };
}

async function repair(): Promise<Readonly<Record<string, unknown>>> {
  const { stdout, stderr, status: exit } = await host.keelson("--json", "verify", "--repair", "--tls-verify=false");
  expect(exit, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe("72: status and repair on a running system", () => {
  it("all is well, and an administrator's additions are listed", async () => {
    const row = { name: "svc", state: "active", enabled: true, failed: false, needsReload: false, findings: [] };
    expect(await status()).toMatchObject({ exit: 0, clean: true, containers: [{ ...row, dropIns: [] }] });
    await host.systemctl("set-property", "svc.service", "TasksMax=100");
    const dropIns = ["/etc/systemd/system.control/svc.service.d/50-TasksMax.conf"];
    expect(await status()).toMatchObject({ exit: 0, containers: [{ ...row, dropIns }] });
  });

  it("an edited unit is healed and read again, while the service runs on", async () => {
    const before = await host.show("svc.service", "InvocationID", "TasksMax");
    await host.machine.ok(["tee", "-a", unit], { input: "[Unit]\nDescription=Somebody's\n" });
    await host.systemctl("daemon-reload");
    expect(await status()).toMatchObject({ exit: 9, containers: [{ state: "active", findings: [{ path: unit }] }] });
    expect(await repair()).toMatchObject({
      repaired: [{ path: unit, source: "the record" }],
      restart: ["svc.service"],
    });
    const after = await host.show("svc.service", "Description", "NeedDaemonReload");
    expect([after.NeedDaemonReload, after.Description]).toEqual(["no", expect.not.stringContaining("Somebody")]);
    expect(await host.show("svc.service", "InvocationID", "TasksMax")).toEqual(before);
    expect((await status()).exit).toBe(0);
  });

  it("a file that the service has open is healed beside it, and the service is named", async () => {
    const before = await host.show("svc.service", "InvocationID");
    await host.machine.ok(["chmod", "666", script]);
    expect(await status()).toMatchObject({ exit: 9, containers: [{ findings: [{ path: script }] }] });
    expect(await repair()).toMatchObject({ findings: [], restart: ["svc.service"] });
    expect(await host.show("svc.service", "InvocationID")).toEqual(before);
    await host.systemctl("restart", "svc");
    expect(await repair()).toMatchObject({ repaired: [], restart: [] });
  });

  it("a service that failed is named", async () => {
    await host.install("fails", "--name", "bad");
    expect((await host.machine.run(["systemctl", "start", "bad"])).status).not.toBe(0);
    const { exit, containers } = await status();
    expect([exit, containers]).toMatchObject([9, [{ name: "bad", state: "failed", failed: true }, { name: "svc" }]]);
  });
});
