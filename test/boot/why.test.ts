import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cause } from "../../src/plan/causes.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { type FaultBed, faultBed } from "./fault-bed.ts";
import { faults } from "./faults.ts";
import { bootHost, type Host } from "./host.ts";
import { base, ends } from "./payloads.ts";

const config = {
  ociVersion: "1.0.2",
  process: { args: ["$PROGRAM", "sh", "-c", "$SCRIPT"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
  root: { path: "rootfs", readonly: true },
  mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
};

/** What it runs, and whether that is there, can be set; what its unit says besides can be dropped in. */
function image(manifest: object, defaults: object = { SCRIPT: ends }): Promise<TestImage> {
  return buildImage({
    layers: [
      {
        ...base("exit 1"),
        data: { kind: "directory" },
        "exports/service.template": "[Service]\nExecStart=$EXEC_START\n[Install]\nWantedBy=multi-user.target\n",
        "exports/config.json.template": JSON.stringify(config),
        "exports/manifest.json": JSON.stringify({
          ...manifest,
          defaultValues: { PROGRAM: "/bin/busybox", ...defaults },
        }),
      },
    ],
  });
}

let host: Host;
let bed: FaultBed;
beforeAll(async () => {
  const [box, wants, sick, middle, upper, late, needy] = await Promise.all([
    image({}),
    image({}, {}),
    image({ health: { command: ["/bin/busybox", "sh", "-c", "echo no route to the store; exit 4"] } }),
    image({ requires: ["lowest"] }),
    image({ requires: ["middle"] }),
    image({ requires: [{ name: "fallen", ready: true }] }),
    image({ requires: [{ name: "locked", hard: true }] }),
  ]);
  host = await bootHost({ box, wants, sick, middle, upper, late, needy });
  bed = faultBed(host);
});
afterAll(() => host?.machine.stop());

async function whyNot(name: string): Promise<{ readonly status: number; readonly causes: readonly Cause[] }> {
  const { status, stdout } = await host.keelson("--json", "why", name);
  const { causes } = JSON.parse(stdout);
  return { status, causes };
}

/** Codes with the unit each is of. */
const told = (causes: readonly Cause[]): readonly string[] => causes.map(({ code, of }) => `${code} ${of}`);

describe("why", () => {
  it.each(faults)("$name: $told", async ({ name, told: expected, text, next, status = 9, inject }) => {
    await inject(bed);
    await expect.poll(async () => told((await whyNot(name)).causes), { timeout: 20_000 }).toEqual(expected);
    const said = await whyNot(name);
    expect(said.status).toBe(status);
    expect(said.causes.at(-1)?.text).toMatch(text);
    expect(said.causes.at(-1)?.next).toMatch(next);
  });

  it("names each unit that waits, with what it waits for", async () => {
    const { causes } = await whyNot("upper");
    expect(causes.map(({ on }) => on)).toEqual([["middle.service"], ["lowest.service"], []]);
    expect(causes[0]?.text).toBe("its start waits for middle.service");
  });

  it("of a start that asks whether another unit is up, until it is, names that one", async () => {
    await bed.dropIn("fallen", "[Service]\nExecStartPre=/bin/sleep 1000\nTimeoutStartSec=infinity");
    await host.systemctl("daemon-reload");
    await host.install("late");
    await bed.start("late");
    const expected = ["WAITING late.service", "STARTING fallen.service"];
    await expect.poll(async () => told((await whyNot("late")).causes), { timeout: 20_000 }).toEqual(expected);
  });

  it("tells people the same, a line and a command for each", async () => {
    const { status, stdout } = await host.keelson("why", "fallen-not");
    expect([status, stdout]).toEqual([
      3,
      "fallen-not: no such container is installed (NOT_INSTALLED)\n  keelson list\n",
    ]);
  });

  it("of what is well says so, and ends with 0", async () => {
    await bed.installed("fine", "--start");
    expect(await whyNot("fine")).toEqual({ status: 0, causes: [] });
    expect((await host.keelson("why", "fine")).stdout).toBe("fine is well\n");
  });

  it("does as it says: the command brings back what was masked", async () => {
    await host.machine.ok((await whyNot("resting")).causes[0]?.next.split(" ") ?? []);
    expect((await whyNot("resting")).status).toBe(0);
    await host.keelson("verify", "--repair", "masked");
    expect(told((await whyNot("masked")).causes)).toEqual(["STOPPED masked.service"]);
  });
});
