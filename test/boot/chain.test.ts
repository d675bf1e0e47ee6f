import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DiskChanges, differingPaths, readDiskChanges } from "../../examples/demo/disk-changes.ts";
import { builtExamples } from "../bed/examples.ts";
import { bootHost, type Host } from "./host.ts";

const chain = ["etcd", "flanneld", "containerd"] as const;
type Member = (typeof chain)[number];
const config = "/coreos.com/network/config";

let host: Host;
let before: DiskChanges;
beforeAll(async () => {
  const examples = await builtExamples();
  host = await bootHost(Object.fromEntries(chain.map((name) => [name, examples[name]])));
  before = readDiskChanges(host.machine);
});
afterAll(() => host?.machine.stop());

const setNetwork = (value: string): Promise<string> =>
  host.machine.ok(["env", "ETCDCTL_API=3", "etcdctl", "put", config, value]);
const stateOf = async (unit: Member): Promise<string | undefined> =>
  (await host.show(`${unit}.service`, "ActiveState")).ActiveState;

interface Times {
  /** Microseconds at which systemd first did anything for the unit. */
  readonly begun: number;
  /** And at which it was up. */
  readonly ready: number;
}

/** Of the latest start. */
async function timesOf(unit: Member): Promise<Times> {
  const { InactiveExitTimestampMonotonic: begun, ActiveEnterTimestampMonotonic: ready } = await host.show(
    `${unit}.service`,
    "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
  );
  expect(Number(begun)).toBeGreaterThan(0);
  expect(Number(ready)).toBeGreaterThan(Number(begun));
  return { begun: Number(begun), ready: Number(ready) };
}

async function expectOrder(): Promise<void> {
  for (const name of chain) expect(await stateOf(name), name).toBe("active");
  const [etcd, flanneld, containerd] = (await Promise.all(chain.map(timesOf))) as [Times, Times, Times];
  expect(etcd.ready).toBeLessThan(flanneld.begun);
  expect(flanneld.ready).toBeLessThan(containerd.begun);
}

async function removeAll(...options: readonly string[]): Promise<void> {
  for (const name of chain.toReversed()) {
    const { status, stderr } = await host.keelson("uninstall", ...options, name);
    expect(status, stderr).toBe(0);
  }
}

const orders: readonly (readonly Member[])[] = [
  ["containerd", "flanneld", "etcd"],
  ["flanneld", "etcd", "containerd"],
  ["etcd", "containerd", "flanneld"],
  ["containerd", "etcd", "flanneld"],
  ["flanneld", "containerd", "etcd"],
  ["etcd", "flanneld", "containerd"],
];

const stackFile = resolve(import.meta.dirname, "../../examples/stack.conf");

it("the example stack comes up with one command, and goes without leaving more than their state", async () => {
  const { status, stderr } = await host.keelson("apply", "--tls-verify=false", "--soak", "2s", stackFile);
  expect(status, stderr).toBe(0);
  await expectOrder();
  expect(await host.machine.ok(["cat", "/run/flannel/subnet.env"])).toContain("FLANNEL_NETWORK=10.42.0.0/16\n");
  expect(await host.machine.ok(["containerd-ctr", "version"])).toContain("Server:");
  await removeAll("--purge");
  expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
});

describe("etcd, flanneld and containerd out of a registry", () => {
  it("74: started at once with no network in etcd yet, containerd waits for flanneld, and both come up when there is one", async () => {
    for (const name of ["containerd", "etcd", "flanneld"]) await host.install(name);
    for (const name of chain) expect(await stateOf(name), name).toBe("inactive");
    await host.systemctl("start", "--no-block", "containerd", "flanneld", "etcd");
    await host.systemctl("start", "etcd");
    await expect.poll(() => stateOf("flanneld"), { timeout: 20_000 }).toBe("activating");
    const jobs = await host.systemctl("list-jobs", "--no-legend");
    expect(jobs).toMatch(/containerd\.service +start +waiting/);
    expect(await stateOf("containerd")).toBe("inactive");
    await setNetwork('{"Network":"10.42.0.0/16"}');
    await host.systemctl("start", "containerd");
    await expectOrder();
  });

  it("is what it claims to be: etcd is healthy, flanneld has a subnet, containerd answers", async () => {
    const { machine } = host;
    const health = await machine.run(["env", "ETCDCTL_API=3", "etcdctl", "endpoint", "health"]);
    expect(health.stdout + health.stderr).toContain("is healthy");
    expect(await machine.ok(["cat", "/run/flannel/subnet.env"])).toContain("FLANNEL_NETWORK=10.42.0.0/16\n");
    expect(await machine.ok(["containerd-ctr", "version"])).toMatch(/Server:\n {2}Version: +1\.6/);
    await removeAll();
  });

  it.each(orders.map((order) => ({ order })))(
    "74: installed as $order, they come up in order at boot",
    async ({ order }) => {
      for (const name of order) await host.install(name, "--force");
      await host.reboot();
      await expectOrder();
      if (order !== orders.at(-1)) await removeAll();
    },
  );

  it("74: containerd runs although flanneld failed twice before it succeeded", async () => {
    await setNetwork("no network at all");
    await host.reboot();
    const restarts = async (): Promise<number> => Number((await host.show("flanneld.service", "NRestarts")).NRestarts);
    await expect.poll(restarts, { timeout: 60_000, interval: 200 }).toBeGreaterThanOrEqual(2);
    await setNetwork('{"Network":"10.43.0.0/16"}');
    await expect.poll(() => stateOf("flanneld"), { timeout: 60_000, interval: 200 }).toBe("active");
    expect(await stateOf("containerd")).toBe("active");
    expect(await host.machine.ok(["cat", "/run/flannel/subnet.env"])).toContain("FLANNEL_NETWORK=10.43.0.0/16\n");
  });

  it("74: all come up although etcd is killed in the middle of the boot, and containerd answers on its socket", async () => {
    const kill = "[Service]\nType=oneshot\nExecStart=systemctl kill --signal=KILL etcd.service\n";
    const unit = "/etc/systemd/system/kill-etcd.service";
    await host.put(
      unit,
      `[Unit]\nAfter=etcd.service\nBefore=flanneld.service\n${kill}[Install]\nWantedBy=multi-user.target\n`,
    );
    await host.systemctl("enable", "kill-etcd");
    await host.reboot();
    const states = (): Promise<readonly unknown[]> => Promise.all(chain.map(stateOf));
    await expect.poll(states, { timeout: 60_000, interval: 200 }).toEqual(["active", "active", "active"]);
    expect(Number((await host.show("etcd.service", "NRestarts")).NRestarts)).toBeGreaterThanOrEqual(1);
    expect(await host.machine.ok(["containerd-ctr", "version"])).toMatch(/Server:\n {2}Version: +1\.6/);
    await host.systemctl("disable", "kill-etcd");
    await host.machine.ok(["rm", unit]);
  });

  it("74: a shutdown with all of them running takes less than 5 seconds", async () => {
    const begun = performance.now();
    await host.machine.shutdown();
    expect(performance.now() - begun).toBeLessThan(5000);
    await host.reboot();
    for (const name of chain) expect(await stateOf(name), name).toBe("active");
  });

  it("73: systemd finds nothing to say about their units", async () => {
    const units = chain.map((name) => `/etc/systemd/system/${name}.service`);
    const silence = { status: 0, stdout: "", stderr: "" };
    expect(await host.machine.run(["systemd-analyze", "verify", ...units])).toEqual(silence);
  });

  it("stopping flanneld does not stop containerd", async () => {
    await host.systemctl("stop", "flanneld");
    expect(await stateOf("flanneld")).toBe("inactive");
    expect(await stateOf("containerd")).toBe("active");
  });

  it("uninstalled, they leave the state of etcd and containerd and nothing else", async () => {
    await removeAll();
    const left = differingPaths(before, readDiskChanges(host.machine));
    expect(left).toEqual(expect.arrayContaining(["/var/lib/etcd/etcd.etcd", "/var/lib/containerd"]));
    expect(left.filter((path) => !/^\/var\/lib\/(?:etcd|containerd)(?:\/|$)/.test(path))).toEqual([]);
  });

  it("uninstalled with --purge, they leave the disk as it was", async () => {
    for (const name of chain) await host.install(name);
    await removeAll("--purge");
    expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
  });
});
