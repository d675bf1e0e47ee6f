import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestImage } from "../bed/images.ts";
import { calledBy, watchCalls } from "./bus.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { buildChain, chain, stackOf } from "./stack.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;

beforeAll(async () => {
  images = await buildChain();
  host = await bootHost(images);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

const file = "/etc/keelson/stack.d/node.conf";
const how = ["--soak", "2s", "--tls-verify=false", "--allow-widen"];
const apply = ["apply", ...how, file];

const states = (): Promise<readonly (string | undefined)[]> =>
  Promise.all(chain.map(async (name) => (await host.show(`${name}.service`, "ActiveState")).ActiveState));
const versions = (): Promise<readonly string[]> =>
  Promise.all(chain.map(async (name) => (await host.machine.ok(["cat", `/var/lib/${name}/version`])).trim()));
const invocations = (): Promise<readonly (string | undefined)[]> =>
  Promise.all(chain.map(async (name) => (await host.show(`${name}.service`, "InvocationID")).InvocationID));
const allUp = ["active", "active", "active"];

/** Applies the stack and compares what systemd is told with the plan, whose verbs are given back. */
async function follow(): Promise<readonly string[]> {
  const { verbs } = (await host.answer("plan", ...apply)) as { readonly verbs: readonly string[] };
  const { status, said, told } = await watchCalls(host, ...apply);
  expect(status, said).toBe(0);
  // What another keeps up may have been started again by systemd, with what was there before.
  expect(told.map((call) => call.replace(/^Restart/, "Start"))).toEqual(calledBy(verbs));
  return verbs;
}

const jobs = (verbs: readonly string[]): readonly string[] =>
  verbs.filter((verb) => /^systemctl (?:start|stop) /.test(verb)).map((verb) => verb.replace("systemctl ", ""));

/** Each was begun when the one before it was up. */
async function expectOrder(): Promise<void> {
  expect(await states()).toEqual(allUp);
  const times = await Promise.all(
    chain.map((name) =>
      host.show(`${name}.service`, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"),
    ),
  );
  for (const [index, { ExecMainStartTimestampMonotonic: begun }] of times.entries()) {
    expect(Number(begun)).toBeGreaterThan(Number(times[index - 1]?.ActiveEnterTimestampMonotonic ?? 0));
  }
}

describe("a stack of three services on a running system", () => {
  it("comes up in the order of what they require", async () => {
    await host.put(file, stackOf({ store: "1", net: "1", box: "1" }));
    expect(jobs(await follow())).toEqual(["start store.service", "start net.service", "start box.service"]);
    await expectOrder();
    expect(await versions()).toEqual(["1", "1", "1"]);
  });

  it("applied again, calls nothing on the bus", async () => {
    const before = await invocations();
    const { status, said, methods } = await watchCalls(host, ...apply);
    const lines = chain.toReversed().map((name) => `${name} is as the stack has it\n`);
    expect([status, said, methods]).toEqual([0, lines.join(""), []]);
    expect(await invocations()).toEqual(before);
  });

  it("goes over to other images as one: the last to start stops first, and systemd reads its units at most once", async () => {
    await host.put(file, stackOf({ store: "2", net: "2", box: "2" }));
    const verbs = await follow();
    expect(jobs(verbs)).toEqual([
      ...["stop box.service", "stop net.service", "stop store.service"],
      ...["start store.service", "start net.service", "start box.service"],
    ]);
    expect(verbs.filter((verb) => verb.endsWith("daemon-reload")).length).toBeLessThan(2);
    await expectOrder();
    expect(await versions()).toEqual(["2", "2", "2"]);
  });

  it("leaves all three on the old version and running when the middle one is faulty", async () => {
    await host.put(file, stackOf({ store: "1", net: "3", box: "1" }));
    const { status, stderr } = await host.keelson(...apply);
    expect(stderr).toContain("net.service did not stay healthy");
    for (const name of chain) expect(stderr).toContain(`${name} is back on generation 2`);
    expect(status).toBe(8);
    expect([await states(), await versions()]).toEqual([allUp, ["2", "2", "2"]]);
    for (const name of chain) {
      const rows = (await host.answer("history", name)) as unknown as readonly { outcome: string; current: boolean }[];
      expect(rows.at(-1)).toMatchObject({ outcome: "failed", current: false });
      expect(rows.filter(({ current }) => current)).toEqual([expect.objectContaining({ generation: 2 })]);
    }
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("changes one that others keep up, and they stay up", async () => {
    const before = await invocations();
    await host.put(file, stackOf({ store: "1", net: "2", box: "2" }));
    expect(jobs(await follow())).toEqual(["stop store.service", "start store.service"]);
    expect([await states(), await versions()]).toEqual([allUp, ["1", "2", "2"]]);
    const { generation } = (await host.answer("info", "store")) as { readonly generation: number };
    const { MainPID: pid } = await host.show("store.service", "MainPID");
    expect(await host.machine.ok(["cat", `/proc/${pid}/mountinfo`])).toContain(`/store/${generation}/rootfs / `);
    expect((await invocations()).slice(1)).toEqual(before.slice(1));
  });

  it("lets go of one with --prune, and stays up", async () => {
    await host.put(file, stackOf({ store: "1", net: "2" }));
    const { status, stdout, stderr } = await host.keelson("apply", "--prune", ...how, file);
    expect([status, stdout], stderr).toEqual([
      0,
      "uninstalled box\nnet is as the stack has it\nstore is as the stack has it\n",
    ]);
    expect(await states()).toEqual(["active", "active", "inactive"]);
  });
});

it("at boot what /etc/keelson/stack.d says is applied out of a bundle, without a network", async () => {
  const bundle = "/var/lib/stack.tar";
  const names = chain.map((name) => inRegistry(`${name}1`));
  const made = await host.keelson("bundle", "--tls-verify=false", "-o", bundle, ...names);
  expect(made.status, made.stderr).toBe(0);
  for (const name of ["net", "store"]) expect((await host.keelson("uninstall", name)).status).toBe(0);
  await host.machine.ok(["rm", file]);
  const enabled = await host.keelson("apply", "--enable-at-boot", "--soak", "1s", "--bundle", bundle);
  expect([enabled.status, enabled.stdout], enabled.stderr).toEqual([
    0,
    "/etc/keelson/stack.d is applied at every boot\n",
  ]);
  const verified = await host.machine.run(["systemd-analyze", "verify", "/etc/systemd/system/keelson-apply.service"]);
  expect(verified).toEqual({ status: 0, stdout: "", stderr: "" });
  await host.put(file, stackOf({ store: "1", net: "1", box: "1" }));
  await host.reboot();
  const result = async () => await host.show("keelson-apply.service", "ActiveState", "Result", "ConditionResult");
  await expect
    .poll(result, { timeout: 60_000 })
    .toEqual({ ActiveState: "inactive", Result: "success", ConditionResult: "yes" });
  await expectOrder();
  expect((await host.keelson("apply", "--disable-at-boot", "--bundle", bundle)).status).toBe(0);
  expect((await host.show("keelson-apply.service", "LoadState")).LoadState).toBe("not-found");
});
