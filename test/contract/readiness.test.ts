import { describe, expect, it } from "vitest";
import { parseReadiness } from "../../src/contract/readiness.ts";

describe("ready of manifest.json", () => {
  it.each([
    [{ tcp: 80 }, { probe: { kind: "tcp", port: 80 }, interval: 200, timeout: 60_000 }],
    [
      { unix: "/run/x.sock", timeout: "5m" },
      { probe: { kind: "unix", path: "/run/x.sock" }, interval: 200, timeout: 300_000 },
    ],
    [
      { file: "/run/it's", interval: 1 },
      { probe: { kind: "file", path: "/run/it's" }, interval: 1000, timeout: 60_000 },
    ],
    [{ command: ["a", "b c"] }, { probe: { kind: "command", command: ["a", "b c"] }, interval: 200, timeout: 60_000 }],
  ])("%j", (declared, readiness) => {
    expect(parseReadiness(declared, (why) => expect.unreachable(why))).toEqual(readiness);
  });

  it.each([
    ...[
      {},
      "tcp",
      { tcp: 0 },
      { tcp: 65_536 },
      { tcp: "80" },
      { unix: "run/x" },
      { file: "/a/../b" },
      { file: "/a\n" },
    ],
    ...[
      { command: [] },
      { command: "a" },
      { command: ["a", 1] },
      { command: ["a\0"] },
      { tcp: 80, file: "/a" },
      { http: 80 },
    ],
    ...[
      { tcp: 80, interval: "0s" },
      { tcp: 80, timeout: "2d" },
      { tcp: 80, timeout: "10ms" },
    ],
  ])("%j is a defect", (declared) => {
    const problems: string[] = [];
    expect(parseReadiness(declared, (why) => problems.push(why))).toBeUndefined();
    expect(problems).toHaveLength(1);
  });
});
