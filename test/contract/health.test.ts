import { describe, expect, it } from "vitest";
import { parseHealth, parseTime } from "../../src/contract/health.ts";

/** What is read, or what the problem is. */
function read(declared: unknown): unknown {
  const problems: string[] = [];
  const health = parseHealth(declared, (why) => problems.push(why));
  return problems.length === 0 ? health : { problems, health };
}

const command = ["/bin/check", "-q"];

describe("health of manifest.json", () => {
  it.each<[string, unknown, unknown]>([
    ["that is not there is none", undefined, undefined],
    ["with a command alone has the usual times", { command }, { command, interval: 1000, timeout: 5000, retries: 3 }],
    [
      "may say everything",
      { command, interval: "500ms", timeout: "1m", retries: 0 },
      { command, interval: 500, timeout: 60_000, retries: 0 },
    ],
    ["may give seconds as numbers", { command, interval: 2 }, { command, interval: 2000, timeout: 5000, retries: 3 }],
    ["may have keys it does not know", { command, more: 1 }, { command, interval: 1000, timeout: 5000, retries: 3 }],
  ])("%s", (_, declared, expected) => {
    expect(read(declared)).toEqual(expected);
  });

  it.each<[string, unknown, RegExp]>([
    ["null", null, /command/],
    ["a text", "/bin/check", /command/],
    ["a list", [command], /command/],
    ["no command", { interval: "1s" }, /command/],
    ["a command that is a text", { command: "/bin/check" }, /command/],
    ["an empty command", { command: [] }, /command/],
    ["an empty word in the command", { command: ["/bin/check", ""] }, /command/],
    ["a number in the command", { command: ["/bin/sleep", 1] }, /command/],
    ["an interval of nothing", { command, interval: "0s" }, /interval/],
    ["an interval in a list", { command, interval: ["1s"] }, /interval/],
    ["an interval that is null", { command, interval: null }, /interval/],
    ["a timeout without number", { command, timeout: "soon" }, /timeout/],
    ["a negative timeout", { command, timeout: "-1s" }, /timeout/],
    ["a timeout longer than a timer can be", { command, timeout: "1000h" }, /timeout/],
    ["half a retry", { command, retries: 0.5 }, /retries/],
    ["fewer retries than none", { command, retries: -1 }, /retries/],
    ["more retries than a thousand", { command, retries: 1001 }, /retries/],
    ["retries in words", { command, retries: "3" }, /retries/],
  ])("with %s is a problem, and only one", (_, declared, message) => {
    expect(read(declared)).toEqual({ problems: [expect.stringMatching(message)], health: undefined });
  });
});

it.each<[unknown, number | undefined]>([
  ["500ms", 500],
  ["10s", 10_000],
  ["1.5s", 1500],
  ["2m", 120_000],
  ["2min", 120_000],
  ["1h", 3_600_000],
  ["7", 7000],
  [7, 7000],
  ["0", 0],
  ["24h", 86_400_000],
  ["", undefined],
  ["s", undefined],
  ["1 s", undefined],
  ["1s\n", undefined],
  ["1d", undefined],
  ["+1s", undefined],
  ["1e3", undefined],
  [".5s", undefined],
  ["1.s", undefined],
  ["9999999h", undefined],
  ["25h", undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [true, undefined],
  [{}, undefined],
])("the time %j is %s milliseconds", (text, milliseconds) => {
  expect(parseTime(text)).toBe(milliseconds);
});
