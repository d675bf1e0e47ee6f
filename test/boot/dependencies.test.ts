import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base, ends } from "./payloads.ts";

/** What fails twice after each boot before it does what it is for. */
const failsTwice =
  "echo >>/data/tries; [ $(busybox wc -l </data/tries) -gt 2 ] || { echo not yet >&2; exit 1; }; echo done >/data/done";

const config = {
  ociVersion: "1.0.2",
  process: { args: ["/bin/busybox", "sh", "/run.sh"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
  root: { path: "rootfs", readonly: true },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/data", type: "bind", source: "/run/$NAME", options: ["rbind", "rw"] },
  ],
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
};

function image(script: string, relations: object, lines: string): Promise<TestImage> {
  const service = `[Service]\nExecStart=$EXEC_START\nExecStop=$EXEC_STOP\n${lines}\n[Install]\nWantedBy=multi-user.target\n`;
  return buildImage({
    layers: [
      {
        ...base(script),
        data: { kind: "directory" },
        "exports/service.template": service,
        "exports/config.json.template": JSON.stringify(config),
        "exports/tmpfiles.template": "d /run/$NAME 0755 0 0 - -\n",
        "exports/manifest.json": JSON.stringify(relations),
      },
    ],
  });
}

let host: Host;
beforeAll(async () => {
  const restart = "Restart=on-failure\nRestartSec=300ms";
  const [store, net, box] = await Promise.all([
    image(ends, { provides: ["kv/store"] }, restart),
    image(
      failsTwice,
      { provides: ["net"], requires: [{ name: "kv/store", ready: true }] },
      `Type=oneshot\nRemainAfterExit=yes\n${restart}`,
    ),
    image(ends, { requires: [{ name: "net", ready: true }] }, ""),
  ]);
  host = await bootHost({ store, net, box });
});
afterAll(() => host?.machine.stop());

const chain = ["store-v3", "net", "box"] as const;
type Name = (typeof chain)[number];
const stateOf = async (name: Name): Promise<string> =>
  (await host.show(`${name}.service`, "ActiveState")).ActiveState ?? "";
const allUp = (): Promise<void> =>
  expect.poll(() => Promise.all(chain.map(stateOf)), { timeout: 30_000 }).toEqual(["active", "active", "active"]);
const invocation = async (name: Name): Promise<string> =>
  (await host.show(`${name}.service`, "InvocationID")).InvocationID ?? "";

/** Microseconds at which a unit was up, and at which the first process of its latest start was begun. */
async function timesOf(name: Name): Promise<{ readonly up: number; readonly begun: number }> {
  const properties = ["ActiveEnterTimestampMonotonic", "ExecMainStartTimestampMonotonic"] as const;
  const shown = await host.show(`${name}.service`, ...properties);
  return { up: Number(shown[properties[0]]), begun: Number(shown[properties[1]]) };
}

async function expectOrder(): Promise<void> {
  await allUp();
  const [store, net, box] = await Promise.all([timesOf("store-v3"), timesOf("net"), timesOf("box")]);
  expect(store.up).toBeGreaterThan(0);
  expect(net.begun).toBeGreaterThan(store.up);
  expect(box.begun).toBeGreaterThan(net.up);
}

const installAs = (name: Name, ...options: readonly string[]) =>
  host.install(name === "store-v3" ? "store" : name, "--name", name, ...options);

describe("74: services that require one another, installed in an order that is not theirs", () => {
  beforeEach(async () => {
    for (const name of ["box", "net", "store-v3"]) await host.keelson("uninstall", "--force", name);
  });

  it.each([
    ["box", "net", "store-v3"],
    ["net", "store-v3", "box"],
    ["store-v3", "box", "net"],
  ] as const)("%s, %s, %s: come up in theirs at boot, though one fails twice first", async (...order) => {
    for (const name of order) await installAs(name, "--force");
    await host.reboot();
    await expectOrder();
    const { NRestarts } = await host.show("net.service", "NRestarts");
    expect(Number(NRestarts)).toBeGreaterThanOrEqual(2);
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("come back up by themselves when the first of them is killed, and do not stop with one that is stopped", async () => {
    for (const name of chain) await installAs(name);
    await host.systemctl("start", "--no-block", "box");
    await expectOrder();
    const [net, box] = [await invocation("net"), await invocation("box")];
    const store = await invocation("store-v3");
    await host.systemctl("kill", "--signal=KILL", "store-v3");
    await expect.poll(() => invocation("store-v3"), { timeout: 20_000 }).not.toBe(store);
    await allUp();
    expect([await invocation("net"), await invocation("box")]).toEqual([net, box]);
    await host.systemctl("stop", "net");
    expect([await stateOf("box"), await invocation("box")]).toEqual(["active", box]);
    // What requires it keeps it up.
    await allUp();
    expect(await invocation("net")).not.toBe(net);
  });

  it("of one that others keep up, an update runs the new deployment, and a removal leaves nothing that runs", async () => {
    for (const name of chain) await installAs(name);
    await host.systemctl("start", "--no-block", "box");
    await allUp();
    const update = ["update", "--tls-verify=false", "--soak=500ms", "--set", "X=1", "store-v3"] as const;
    const updated = await host.keelson(...update);
    expect(updated.status, updated.stderr).toBe(0);
    const { MainPID: pid } = await host.show("store-v3.service", "MainPID");
    const root = await host.machine.ok(["sh", "-c", `cut -d' ' -f4,5 /proc/${pid}/mountinfo`]);
    expect(root).toMatch(/\/deployments\/store-v3\/2\/rootfs \/$/m);
    const removed = await host.keelson("uninstall", "--force", "store-v3");
    expect(removed.status, removed.stderr).toBe(0);
    expect(await host.machine.run(["systemctl", "is-active", "store-v3"])).toMatchObject({ stdout: "inactive\n" });
    expect(await host.machine.ok(["ls", "/run/runc"])).not.toContain("store");
  });
});
