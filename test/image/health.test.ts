import { expect, it } from "vitest";
import { parseHealthcheck } from "../../src/image/health.ts";

const second = 1_000_000_000;
const usual = { interval: 30_000, timeout: 30_000, retries: 3 };
const test = ["CMD", "/bin/check"];
const command = ["/bin/check"];

it.each<[string, unknown, unknown]>([
  ["that is not there is none", undefined, undefined],
  ["that is null is none", null, undefined],
  ["that is no object is none", "CMD", undefined],
  ["without Test is none", { Interval: second }, undefined],
  ["with an empty Test is none", { Test: [] }, undefined],
  ["NONE switches that of the base off", { Test: ["NONE"] }, undefined],
  ["CMD without a command is none", { Test: ["CMD"] }, undefined],
  ["of a kind nobody knows is none", { Test: ["HTTP", "/"] }, undefined],
  ["CMD runs its words", { Test: ["CMD", "/bin/check", "a b"] }, { command: ["/bin/check", "a b"], ...usual }],
  [
    "CMD-SHELL runs its line in a shell",
    { Test: ["CMD-SHELL", "check || exit 1"] },
    { command: ["/bin/sh", "-c", "check || exit 1"], ...usual },
  ],
  [
    "has its times in nanoseconds",
    { Test: test, Interval: 2 * second, Timeout: second / 2, Retries: 5 },
    { command, interval: 2000, timeout: 500, retries: 5 },
  ],
  ["with zeros has the usual values", { Test: test, Interval: 0, Timeout: 0, Retries: 0 }, { command, ...usual }],
  [
    "with times that are none has the usual values",
    { Test: test, Interval: "2s", Timeout: -1, Retries: "5" },
    { command, ...usual },
  ],
  [
    "with times no timer can have is checked as seldom as one can",
    { Test: test, Interval: 1e30, Timeout: 1e30 },
    { command, interval: 86_400_000, timeout: 86_400_000, retries: 3 },
  ],
  [
    "is not checked more often than every millisecond",
    { Test: test, Interval: 1, Timeout: 1 },
    { command, interval: 1, timeout: 1, retries: 3 },
  ],
])("a HEALTHCHECK %s", (_, value, expected) => {
  expect(parseHealthcheck(value)).toEqual(expected);
});
