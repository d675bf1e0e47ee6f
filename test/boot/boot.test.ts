import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BootRow } from "../../src/plan/boot-times.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base, ends } from "./payloads.ts";

function image(manifest: object, lines = ""): Promise<TestImage> {
  return buildImage({
    layers: [
      {
        ...base(ends),
        "exports/service.template": `[Service]\nExecStart=$EXEC_START\n${lines}\n[Install]\nWantedBy=multi-user.target\n`,
        "exports/manifest.json": JSON.stringify(manifest),
      },
    ],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"] },
  });
}

const well = { command: ["/bin/busybox", "true"] };

let host: Host;
beforeAll(async () => {
  const [store, net, other] = await Promise.all([
    image({ health: well, ready: { command: well.command } }, "ExecStartPost=/bin/sleep 0.3"),
    image({ requires: ["store"], health: { command: ["/bin/busybox", "false"] } }),
    image({}),
  ]);
  host = await bootHost({ store, net, other });
  for (const name of ["store", "net"]) await host.install(name);
  await host.install("other", "--no-enable");
  await host.reboot();
  // Waits for the boot's own start of it.
  await host.systemctl("start", "net");
});
afterAll(() => host?.machine.stop());

const rowsOf = async (...args: readonly string[]): Promise<readonly BootRow[]> =>
  (await host.answer("boot", ...args)) as unknown as readonly BootRow[];

/** Milliseconds since systemd began at which `systemctl show` has a unit's moment. */
async function shown(unit: string, property: string): Promise<number> {
  const [{ [property]: moment }, manager] = await Promise.all([
    host.show(unit, property),
    host.systemctl("show", "--property=UserspaceTimestampMonotonic", "--value"),
  ]);
  return (Number(moment) - Number(manager)) / 1000;
}

describe("the chart of a boot", () => {
  it("has each container's service beside the targets, with the moments that systemd has", async () => {
    const rows = await rowsOf();
    const units = rows.map(({ unit }) => unit);
    expect(units).toEqual(expect.arrayContaining(["sysinit.target", "basic.target", "multi-user.target"]));
    const store = rows.find(({ unit }) => unit === "store.service");
    expect(store).toMatchObject({
      container: "store",
      state: "active",
      restarts: 0,
      released: await shown("store.service", "ConditionTimestampMonotonic"),
      program: await shown("store.service", "ExecMainStartTimestampMonotonic"),
      ready: await shown("store.service", "ActiveEnterTimestampMonotonic"),
    });
    const { queued, released, runtime, program, ready } = store as BootRow;
    const moments = [queued, released, runtime, program, ready].map(Number);
    expect(moments.toSorted((a, b) => a - b)).toEqual(moments);
    expect(Number(ready) - Number(program)).toBeGreaterThan(250);
  });

  it("shows that what requires another was released when that was ready", async () => {
    const rows = await rowsOf();
    const [store, net] = ["store.service", "net.service"].map((unit) => rows.find((row) => row.unit === unit));
    expect(Number(net?.released)).toBeGreaterThanOrEqual(Number(store?.ready));
    expect(net?.queued).toBe(store?.queued);
    expect([store?.healthy, net?.healthy]).toEqual([true, false]);
    expect([store?.healthySince, net?.healthySince]).toEqual([store?.ready, null]);
    expect(rows.indexOf(net as BootRow)).toBeGreaterThan(rows.indexOf(store as BootRow));
  });

  it("has what was started later, or not at all, without a moment at which the boot queued it", async () => {
    expect((await rowsOf()).at(-1)).toEqual({
      ...{
        unit: "other.service",
        container: "other",
        state: "inactive",
        restarts: 0,
        healthy: null,
        healthySince: null,
      },
      ...{ queued: null, released: null, runtime: null, program: null, ready: null },
    });
    await host.systemctl("start", "other");
    const later = (await rowsOf()).find(({ unit }) => unit === "other.service");
    expect([later?.queued, later?.state]).toEqual([null, "active"]);
    expect(Number(later?.ready)).toBeGreaterThan(Number(later?.released));
  });

  it("of one container has that and what it came after", async () => {
    const units = (await rowsOf("store")).map(({ unit }) => unit);
    expect(units).toContain("store.service");
    expect(units).toContain("basic.target");
    expect(units).not.toContain("net.service");
    expect((await rowsOf("net")).map(({ unit }) => unit)).toContain("store.service");
  });

  it("is a table or a picture", async () => {
    expect((await host.keelson("boot")).stdout).toMatch(
      /^UNIT +STATE +QUEUED .*\n(?:.*\n)*store\.service +active +(?:\d+\.\d{3}s +){6}0\n/,
    );
    const { stdout } = await host.keelson("boot", "--format", "svg");
    expect(stdout).toMatch(/^<svg [^>]+>\n(?:.*\n)*.*store\.service(?:.*\n)*<\/svg>\n$/);
  });
});
