import { expect, it } from "vitest";
import { parseStrictJson } from "../../src/image/strict-json.ts";
import { secondsOf } from "../bed/run.ts";

it.each([
  ["a key twice", '{"a":1,"b":{"a":2},"a" :3}', /the key "a" is there twice/],
  ["one key in two spellings", '{"a":1,"\\u0061":2}', /the key "a" is there twice/],
])("refuses %s", (_, text, message) => {
  expect(() => parseStrictJson(Buffer.from(text))).toThrow(message);
});

it.each([
  ["spaces in a key", `{"a${" ".repeat(100_000)}b":1}`],
  ["spaces behind a key", `{"a"${" ".repeat(100_000)}:1}`],
  ["spaces behind a value", `["a"${" ".repeat(100_000)}]`],
  ["escapes in a key", `{"${"\\n".repeat(100_000)}":1}`],
])("takes a hundred thousand %s in the time of a blink", (_, text) => {
  expect(secondsOf(() => parseStrictJson(Buffer.from(text)))).toBeLessThan(2);
});
