import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findJsonError } from "../../src/contract/json-error.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("findJsonError", () => {
  const rows: readonly (readonly [string, number | undefined])[] = [
    ['{"a": [1, -2.5e3, true, null, "x\\u0041"]}', undefined],
    ["", 0],
    ["  ", 2],
    ["[1,]", 3],
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ["[1 2]", 3],
    ["[1]]", 3],
    ["[1}", 2],
    ['{"a": tru}', 6],
    ['["a\nb"]', 1],
    ["01", 1],
    ["[", 1],
    ['{"a":', 5],
    ["{1:2}", 1],
    ["\ufeff{}", 0],
  ];
  it.each(rows)("finds where %j stops being JSON", (text, expected) => {
    expect(findJsonError(text)).toBe(expected);
  });

  it("agrees with JSON.parse on what is JSON", () => {
    const piece = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "1",
      "-",
      "0",
      ".5",
      "e1",
      "true",
      " ",
      "\n",
      "\\",
      "null",
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
        (text) => {
          expect(findJsonError(text) === undefined).toBe(isJson(text));
        },
      ),
      { numRuns: 5000 },
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom(...'{}[],:"\\0 x'), (json, at, character) => {
        const index = at % (json.length + 1);
        const damaged = json.slice(0, index) + character + json.slice(index + 1);
        expect(findJsonError(json)).toBeUndefined();
        expect(findJsonError(damaged) === undefined).toBe(isJson(damaged));
      }),
    );
  });

  it("reads very long and very deep texts", () => {
    expect(findJsonError(JSON.stringify("é\\".repeat(1 << 21)))).toBeUndefined();
    expect(findJsonError("[".repeat(1 << 20))).toBe(1 << 20);
  });
});
