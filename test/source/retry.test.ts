import { expect, it } from "vitest";
import { askedDelay } from "../../src/source/retry.ts";

it.each([
  ["7", 7000],
  ["0", 0],
  ["Thu, 01 Jan 1970 00:01:40 GMT", 40_000],
  ["Thu, 01 Jan 1970 00:00:01 GMT", 0],
  ["soon", undefined],
  ["-1x", undefined],
])("a Retry-After of %s is read as %s ms", (text, expected) => {
  expect(askedDelay(text, 60_000)).toBe(expected);
});
