import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bootSystemd, type SystemdMachine, sleeping, units } from "./systemd-machine.ts";

const calls = join(resolve(import.meta.dirname, "../.."), "test/bed/systemd-calls.ts");

let host: SystemdMachine;
beforeAll(async () => {
  host = await bootSystemd();
});
afterAll(() => host?.machine.stop());

/** The directories that are synced during a call. */
async function syncedBy(...call: readonly string[]): Promise<readonly (string | undefined)[]> {
  const strace = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync", "-o", "/run/trace"];
  const input = JSON.stringify([call]);
  await host.machine.ok([...strace, process.execPath, calls], { input });
  const trace = await host.machine.ok(["cat", "/run/trace"]);
  return [...trace.matchAll(/ fsync\(\d+<([^>]+)>/g)].map(([, path]) => path).sort();
}

it("the links that systemd makes and removes survive a power cut", async () => {
  await host.putUnit(
    "linked.service",
    sleeping,
    "WantedBy=multi-user.target\nRequiredBy=other.service\nAlias=a.service",
  );
  const [multiUser, other] = [`${units}/multi-user.target.wants`, `${units}/other.service.requires`];
  expect(await syncedBy("enable", "linked.service")).toEqual([units, multiUser, other].sort());
  expect(await syncedBy("disable", "linked.service")).toEqual([units]);
  for (const directory of [multiUser, other]) {
    expect((await host.machine.run(["test", "-e", directory])).status).toBe(1);
  }
});
