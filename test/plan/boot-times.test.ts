import { describe, expect, it } from "vitest";
import { formatBootSvg } from "../../src/plan/boot-svg.ts";
import { chartBoot, type StartTimes, timesBehind } from "../../src/plan/boot-times.ts";
import { run } from "../bed/run.ts";

const clock = { begun: 1_000_000, queued: 1_200_000, finished: 5_000_000 };
const store: StartTimes = {
  ...{ unit: "store.service", state: "active", waiting: false, restarts: 0, after: ["basic.target"] },
  ...{ released: 2_000_000, runtime: 2_100_000, program: 2_200_000, ready: 2_300_000 },
};
const none = {
  queued: null,
  released: null,
  runtime: null,
  program: null,
  ready: null,
  healthy: null,
  healthySince: null,
  container: null,
};
const containers = new Map([["store.service", "store"]]);

describe("a row", () => {
  it.each<[string, Partial<StartTimes>, object]>([
    ["of the boot", {}, { queued: 200, released: 1000, runtime: 1100, program: 1200, ready: 1300 }],
    [
      "that was never started",
      { ...store, released: 0, runtime: 0, program: 0, ready: 0 },
      { ...none, container: "store" },
    ],
    ["that waits", { waiting: true, released: 0, runtime: 0, program: 0, ready: 0 }, { queued: 200, released: null }],
    ["that systemd started again", { restarts: 2 }, { queued: null, released: 1000, ready: 1300, restarts: 2 }],
    [
      "that was started after the boot",
      { released: 6_000_000, ready: 6_100_000 },
      { queued: null, released: 5000, ready: 5100 },
    ],
    [
      "that was up before, and is not yet again",
      { released: 2_250_000, ready: 2_200_000, runtime: 2_260_000 },
      { runtime: 1260, program: null, ready: null },
    ],
    ["with a health check", { healthy: false }, { healthy: false, healthySince: null }],
    [
      "that was ready when it was healthy",
      { healthy: true, readyWhenHealthy: true },
      { ready: 1300, healthySince: 1300 },
    ],
    [
      "that is not yet ready again, nor healthy",
      { healthy: false, readyWhenHealthy: true, released: 2_250_000, ready: 2_200_000 },
      { healthySince: null },
    ],
  ])("%s", (_, times, row) => {
    expect(chartBoot(clock, [{ ...store, ...times }], containers)[0]).toMatchObject(row);
  });
});

it("rows stand in the order in which their units could start, the others last by name", () => {
  const unit = (name: string, released: number): StartTimes => ({ ...store, unit: name, released });
  const rows = chartBoot(clock, [unit("b", 0), unit("a", 0), unit("d", 3_000_000), unit("c", 2_000_000)], containers);
  expect(rows.map((row) => row.unit)).toEqual(["c", "d", "a", "b"]);
});

it("what a unit came after is told however far", () => {
  const times = [
    store,
    { ...store, unit: "basic.target", after: [] },
    { ...store, unit: "net.service", after: ["store.service", "gone.service"] },
    { ...store, unit: "other.service" },
  ];
  expect(timesBehind("net.service", times).map(({ unit }) => unit)).toEqual([
    "store.service",
    "basic.target",
    "net.service",
  ]);
});

it("the picture is well-formed XML with a bar for each part of each start", async () => {
  const [row] = chartBoot(clock, [store], containers);
  if (row === undefined) throw new Error("no row");
  const picture = formatBootSvg([row, { ...row, ...none, unit: "a<b&c", state: "inactive" }]).join("\n");
  expect([...picture.matchAll(/<title>([^<]*)<\/title>/g)].map(([, title]) => title)).toEqual([
    "store.service queued 0.200s to 1.000s",
    "store.service starting 1.000s to 1.300s",
    "store.service up 1.300s to 1.365s",
  ]);
  const script =
    "import sys, xml.dom.minidom as m; print([t.firstChild.data for t in m.parseString(sys.argv[1]).getElementsByTagName('text')])";
  expect(await run("python3", "-c", script, picture)).toContain("'store.service', 'a<b&c']");
  expect(picture).not.toContain("NaN");
});
