import { on, once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { failureOf, type Host, makeHost, type Running, startKeelson } from "../bed/journey.ts";
import { type FaultyRegistry, startFaultyRegistry, stored } from "../fakes/faulty-registry.ts";

const shelf = openShelf();
let etcd: TestImage;
let faulty: FaultyRegistry;

beforeAll(async () => {
  [etcd, faulty] = await Promise.all([shelf.build({ layers: [etcdLike()] }), startFaultyRegistry()]);
});

afterAll(() => faulty.stop());

/** A pull that holds the lock until its child is killed: the registry never goes on. */
async function stalledPull(host: Host): Promise<Running> {
  const asked = new Promise<void>((resolve) => {
    faulty.onLayer((_, response) => {
      response.writeHead(200, { "content-length": stored.length });
      response.write(stored.subarray(0, 1000), () => resolve());
      return true;
    });
  });
  const running = await startKeelson(["--root", host.root, "pull", "--tls-verify=false", faulty.reference]);
  await asked;
  return running;
}

it("26: of two installs of one name at once one wins, and the other says why not", async () => {
  const alone = await makeHost();
  await alone.answer("install", "--name", "foo", etcd.reference);
  const host = await makeHost();
  const install = ["install", "--name", "foo", etcd.reference];
  const rans = await Promise.all([host.keelson("--json", ...install), host.keelson("--json", ...install)]);

  const [winner, loser] = rans.toSorted((one, other) => one.status - other.status);
  expect(winner?.status, winner?.stderr).toBe(0);
  if (loser === undefined) throw new Error("only one ran");
  expect([loser.status, failureOf(loser).code]).toEqual(loser.status === 6 ? [6, "E_LOCKED"] : [4, "E_PRESENT"]);
  expect(await host.snapshot()).toEqual(await alone.snapshot());
});

it("26: installs of several names at once each happen wholly or not at all", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const names = ["one", "two", "three", "four"];
  const rans = await Promise.all(
    names.map((name) => host.keelson("--json", "install", "--name", name, etcd.reference)),
  );

  const installed = names.filter((_, index) => rans[index]?.status === 0);
  const rest = rans.filter(({ status }) => status !== 0);
  expect(rest.map((ran) => failureOf(ran).code)).toEqual(rest.map(() => "E_LOCKED"));
  const listed = await host.answer<readonly { name: string }[]>("list");
  expect(listed.map(({ name }) => name)).toEqual(installed.toSorted());
  for (const name of installed) await host.answer("uninstall", name);
  expect(await host.snapshot()).toEqual(before);
});

it("26: while one keelson is at work another one is refused with its process and command, and may look", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  const running = await stalledPull(host);
  try {
    for (const args of [
      ["install", "--name", "bar", etcd.reference],
      ["uninstall", "foo"],
      ["pull", etcd.reference],
      ["recover"],
    ]) {
      const ran = await host.keelson("--json", ...args);
      expect(ran.status).toBe(6);
      expect(failureOf(ran)).toMatchObject({
        code: "E_LOCKED",
        message: expect.stringMatching(/\b[0-9]+ keelson pull$/),
      });
    }
    expect(await host.answer<readonly object[]>("list")).toHaveLength(1);
    expect(await host.answer("info", "foo")).toMatchObject({ name: "foo" });
    expect(await host.answer<readonly object[]>("images")).toHaveLength(1);
    expect((await host.plan("uninstall", "foo")).changes.length).toBeGreaterThan(0);
  } finally {
    running.child.kill("SIGKILL");
    await running.ended;
  }
});

it("26: the lock of a keelson that was killed is free, and what it had fetched is swept", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const running = await stalledPull(host);
  running.child.kill("SIGKILL");
  await once(running.child, "close");

  await host.answer("install", "--name", "foo", etcd.reference);
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
});

it("with --wait, eight installs of different names at once all succeed", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const names = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  const rans = await Promise.all(
    names.map((name) => host.keelson("--wait", "install", "--name", name, etcd.reference)),
  );
  expect(rans.map(({ status, stderr }) => [status, status === 0 ? "" : stderr])).toEqual(names.map(() => [0, ""]));
  const listed = await host.answer<readonly { name: string }[]>("list");
  expect(listed.map(({ name }) => name)).toEqual(names.toSorted());
  expect(await host.answer("verify")).toMatchObject({ clean: true });
  for (const name of names) await host.answer("uninstall", name);
  expect(await host.snapshot()).toEqual(before);
});

describe("with --wait, a keelson that finds another one at work", () => {
  /** One that has said it waits for the pull that holds the lock. */
  async function startWaiting(host: Host): Promise<Running> {
    const waiting = await startKeelson(["--root", host.root, "--wait", "install", "--name", "foo", etcd.reference]);
    if (waiting.child.stderr === null) throw new Error("no standard error");
    for await (const [chunk] of on(waiting.child.stderr, "data")) {
      if (String(chunk).includes("keelson pull; waiting")) return waiting;
    }
    throw new Error("it never said that it waits");
  }

  it("goes on when that is done, or has been killed", async () => {
    const host = await makeHost();
    const holder = await stalledPull(host);
    const waiting = await startWaiting(host);
    holder.child.kill("SIGKILL");
    expect((await waiting.ended).status).toBe(0);
    expect(await host.answer("info", "foo")).toMatchObject({ name: "foo" });
  });

  it("can be interrupted, and has changed nothing", async () => {
    const host = await makeHost();
    const holder = await stalledPull(host);
    try {
      const waiting = await startWaiting(host);
      waiting.child.kill("SIGINT");
      expect((await waiting.ended).status).toBe(130);
    } finally {
      holder.child.kill("SIGKILL");
      await holder.ended;
    }
    expect(await host.answer("list")).toEqual([]);
  });
});
