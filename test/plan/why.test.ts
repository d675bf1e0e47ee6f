import { describe, expect, it } from "vitest";
import type { ContainerFacts, UnitFacts } from "../../src/plan/unit-facts.ts";
import { unitsBehind } from "../../src/plan/unit-facts.ts";
import { findCauses } from "../../src/plan/why.ts";
import { absentCause, offlineCauses } from "../../src/plan/why-still.ts";

const up: UnitFacts = {
  unit: "box.service",
  loadState: "loaded",
  activeState: "active",
  subState: "running",
  unitFileState: "enabled",
  result: "success",
  loadError: "",
  needsReload: false,
  tried: true,
  restarts: 0,
  unmet: [],
  requires: [],
  awaited: [],
  output: [],
  outOfMemory: false,
  limited: false,
};
const resting: UnitFacts = { ...up, activeState: "inactive", subState: "dead" };
const failed: UnitFacts = { ...up, activeState: "failed", subState: "failed", result: "exit-code" };
const box: ContainerFacts = { name: "box", runtime: { path: "/usr/bin/runc", there: true }, unbound: [] };
const waiting = (...behind: readonly string[]): Partial<UnitFacts> => ({
  job: { type: "start", running: false, behind },
});

function causes(units: readonly UnitFacts[], container: ContainerFacts = box) {
  const facts = new Map(units.map((unit) => [unit.unit, unit]));
  return findCauses("box.service", facts, new Map([["box.service", container]]));
}

describe("what is up", () => {
  it("has no cause, whatever has been before", () => {
    expect(causes([{ ...up, restarts: 3, output: ["old"], needsReload: true }])).toEqual([]);
    expect(causes([{ ...up, activeState: "reloading" }])).toEqual([]);
  });

  it("is unhealthy when its health check says so", () => {
    expect(causes([up], { ...box, unhealthy: "check ended with 1" })).toEqual([
      {
        code: "UNHEALTHY",
        of: "box.service",
        on: [],
        text: "it runs, but its health check fails: check ended with 1",
        next: "keelson logs box",
      },
    ]);
  });
});

describe("one unit", () => {
  it.each<[string, Partial<UnitFacts>, string, string]>([
    ["TIMEOUT", { result: "timeout" }, "it took too long to start or to stop, and was killed", "keelson logs box"],
    [
      "TIMEOUT",
      { result: "watchdog", output: ["busy", " "] },
      "it did not say in time that it is alive, and was killed; the last it said: busy",
      "keelson logs box",
    ],
    ["PROTOCOL", { result: "protocol" }, "its program was gone before it was ready", "keelson logs box"],
    ["RESOURCES", { result: "resources" }, "systemd lacked something to start it with", "keelson logs box"],
    ["FAILED", { result: "exec-condition" }, "systemd calls its end exec-condition (failed)", "keelson logs box"],
    [
      "EXITED",
      { restarts: 2, ended: { kind: "exited", status: 3, program: "its program" }, output: ["no disk"] },
      "its program ended with status 3, 2 restarts so far; the last it said: no disk",
      "keelson logs box",
    ],
    [
      "SIGNAL",
      { result: "signal", ended: { kind: "killed", status: 34, program: "its program" } },
      "its program was killed by signal 34",
      "keelson logs box",
    ],
    ["OOM", { result: "oom-kill" }, "it was killed because memory ran out", "journalctl -k --grep=oom"],
    [
      "OOM",
      { result: "signal", outOfMemory: true, memoryMax: 1024 },
      "it was killed because memory ran out, of which its service may have 1024 bytes",
      "systemctl set-property box.service MemoryMax=2048",
    ],
    [
      "START_LIMIT",
      { limited: true },
      "it failed too often in too short a time; systemd does not try again by itself",
      "systemctl reset-failed box.service && systemctl start box.service",
    ],
    [
      "DISABLED",
      { ...resting, unitFileState: "disabled" },
      "it was stopped, or has ended well, and nothing starts it at boot",
      "systemctl enable --now box.service",
    ],
    ["STOPPED", resting, "it was stopped, or has ended well", "systemctl start box.service"],
    [
      "STOPPED",
      { ...resting, tried: false },
      "it has not been started since the host booted",
      "systemctl start box.service",
    ],
    [
      "STOPPING",
      { activeState: "deactivating", subState: "stop-sigterm" },
      "it is being stopped (stop-sigterm)",
      "keelson logs -f box",
    ],
    [
      "STARTING",
      { activeState: "activating", subState: "start", output: ["joining"] },
      "it is starting (start), and not ready yet: joining",
      "keelson logs -f box",
    ],
    [
      "CONDITION",
      { ...resting, unmet: ["ConditionPathExists=/a", "AssertPathExists=/b"] },
      "it was not started, as ConditionPathExists=/a and AssertPathExists=/b did not hold",
      "systemctl start box.service",
    ],
    ["WAITING", { ...resting, ...waiting() }, "its start waits for its turn", "systemctl list-jobs"],
    [
      "UNIT_INVALID",
      { ...resting, loadState: "bad-setting", needsReload: true, loadError: "no ExecStart=" },
      "systemd cannot use its unit: no ExecStart=",
      "systemd-analyze verify box.service",
    ],
  ])("%s: %j", (code, facts, text, next) => {
    expect(causes([{ ...failed, ...facts }])).toEqual([{ code, of: "box.service", on: [], text, next }]);
  });

  it("whose runtime is gone says so before what that led to", () => {
    const [cause] = causes([failed], { ...box, runtime: { path: "/opt/runc", there: false } });
    expect(cause).toMatchObject({ code: "RUNTIME_MISSING", next: "keelson info box" });
  });

  it.each([
    [
      "keelson's own lines",
      { tmpfiles: "/etc/tmpfiles.d/keelson-box.conf" },
      "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-box.conf",
    ],
    ["a directory", {}, "mkdir -p '/srv/it'\\''s here'"],
    ["a file", { file: true }, "touch '/srv/it'\\''s here'"],
  ])("whose bind source is missing is told how to make it: %s", (_, more, next) => {
    const source = "/srv/it's here";
    const said = `error mounting "${source}" to rootfs at "/data": stat ${source}: no such file or directory`;
    const output = [`time="now" level=error msg="runc run failed: ${said.replaceAll('"', '\\"')}"`];
    const [cause] = causes([{ ...failed, output }], {
      ...box,
      unbound: [{ source, destination: "/data", file: false, ...more }],
    });
    expect(cause).toMatchObject({ code: "BIND_SOURCE", next });
  });

  it("that systemd has not read again since it changed is told so first", () => {
    expect(causes([{ ...failed, needsReload: true }]).map(({ code }) => code)).toEqual(["RELOAD", "FAILED"]);
  });
});

describe("units that wait", () => {
  const store: UnitFacts = { ...failed, unit: "store.service" };
  const chainOf = (units: readonly UnitFacts[]): readonly string[] =>
    causes(units).map(({ code, of, on }) => [code, of, ...on].join(" "));

  it("are told one after the other, down to the one that nothing waits behind", () => {
    const net: UnitFacts = { ...up, unit: "net.service", activeState: "activating", awaited: [["store.service"]] };
    expect(chainOf([{ ...resting, ...waiting("net.service") }, net, store])).toEqual([
      "WAITING box.service net.service",
      "WAITING net.service store.service",
      "FAILED store.service",
    ]);
  });

  it("of several that it is content with, none is waited for when one is up", () => {
    const units = {
      ...failed,
      activeState: "activating",
      subState: "auto-restart",
      awaited: [["a.service", "b.service"]],
    };
    const a = { ...up, unit: "a.service" };
    const b = { ...resting, unit: "b.service" };
    expect(chainOf([units, a, b])).toEqual(["FAILED box.service"]);
    expect(chainOf([units, { ...a, activeState: "inactive" }, b])[0]).toBe("WAITING box.service a.service b.service");
  });

  it("in a circle are told once each", () => {
    const other: UnitFacts = { ...resting, unit: "net.service", ...waiting("box.service") };
    expect(chainOf([{ ...resting, ...waiting("net.service") }, other])).toEqual([
      "WAITING box.service net.service",
      "WAITING net.service box.service",
    ]);
  });

  it("what a unit requires counts when it is in trouble, not when it rests", () => {
    const one = { ...resting, requires: ["store.service"] };
    expect(chainOf([one, { ...resting, unit: "store.service" }])).toEqual(["STOPPED box.service"]);
    expect(chainOf([one, store])).toEqual(["DEPENDENCY box.service store.service", "FAILED store.service"]);
  });

  it("commands for units of the host are those of systemd", () => {
    const next = causes([
      { ...resting, requires: ["store.service"] },
      { ...store, loadState: "masked" },
    ]).at(-1)?.next;
    expect(next).toBe("systemctl unmask store.service");
  });

  it("only what is not up leads further", () => {
    const one: UnitFacts = { ...failed, ...waiting("a"), awaited: [["b"], ["a"]], requires: ["c"] };
    expect(unitsBehind(one)).toEqual(["a", "b", "c"]);
    expect(unitsBehind({ ...one, activeState: "active" })).toEqual([]);
  });
});

describe("without a service manager", () => {
  it("an image in the store is offered, with the values that it wants", () => {
    const reference = "example.com/box";
    expect(absentCause("box", { reference, required: [] })).toMatchObject({
      code: "NOT_INSTALLED",
      next: `keelson install --system --start ${reference}`,
    });
    expect(absentCause("box", { reference, required: ["A", "B"] })).toMatchObject({
      code: "VALUE_MISSING",
      next: `keelson install --system --start --set A=VALUE --set B=VALUE ${reference}`,
    });
  });

  it.each([
    ["loaded", "enabled", ["NO_SYSTEMD"]],
    ["loaded", "disabled", ["NO_SYSTEMD", "DISABLED"]],
    ["masked", "masked", ["NO_SYSTEMD", "MASKED"]],
    ["not-found", "", ["NO_SYSTEMD", "UNIT_MISSING"]],
  ])("files tell what they can: %s, %s", (loadState, unitFileState, codes) => {
    expect(offlineCauses("box", "box.service", loadState, unitFileState).map(({ code }) => code)).toEqual(codes);
  });
});
