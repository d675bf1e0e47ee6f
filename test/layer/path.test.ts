import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shownPath, splitPath, treePath } from "../../src/layer/path.ts";

const refused = expect.objectContaining({ code: "E_LAYER" });
const seed = 20260102;

describe("a name in an archive", () => {
  it.each([
    ["a", "a"],
    ["./a", "a"],
    ["/a", "a"],
    ["///a", "a"],
    ["a/", "a"],
    ["a//b/./c//", "a/b/c"],
    ["", ""],
    [".", ""],
    ["/", ""],
    ["././/.", ""],
    ["...", "..."],
    ["..a", "..a"],
    ["a..", "a.."],
    [".a/b.", ".a/b."],
    ["a\\..\\b", "a\\..\\b"],
    ["C:\\a", "C:\\a"],
    ["a b\n\t", "a b\n\t"],
    ["\xff\xfe", "\xff\xfe"],
    ["-rf", "-rf"],
    ["n".repeat(255), "n".repeat(255)],
    [`${"d/".repeat(2000)}f`, `${"d/".repeat(2000)}f`],
  ])("%j becomes the path %j", (name, path) => {
    expect(treePath(name)).toBe(path);
  });

  it.each([
    "..",
    "../a",
    "/..",
    "/../a",
    "a/..",
    "a/../b",
    "a/../../b",
    "./..",
    "a/b/..",
    "..//a",
    "a\0b",
    "\0",
    "n".repeat(256),
    `a/${"n".repeat(256)}/b`,
    "a/".repeat(2048),
  ])("%j is refused", (name) => {
    expect(() => treePath(name)).toThrow(refused);
  });

  it("never leads out, keeps its other bytes, and is the same read twice", () => {
    const part = fc.constantFrom("", ".", "..", "...", "a", ".wh.a", "\xc3\xa9", " ", "\0");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const name = parts.join("/");
        if (parts.includes("..") || parts.includes("\0")) {
          expect(() => treePath(name)).toThrow(refused);
          return;
        }
        const path = treePath(name);
        expect(path.split("/")).toEqual(path === "" ? [""] : parts.filter((one) => one !== "" && one !== "."));
        expect([treePath(path), treePath(`/./${path}/`)]).toEqual([path, path]);
      }),
      { seed },
    );
  });
});

describe("a path", () => {
  it("splits into its directory and its name", () => {
    expect(["", "a", "a/b", "a/b/c"].map((path) => Object.values(splitPath(path)))).toEqual([
      ["", ""],
      ["", "a"],
      ["a", "b"],
      ["a/b", "c"],
    ]);
  });

  it("is shown as the UTF-8 it is, with nothing a terminal would obey", () => {
    expect(shownPath("caf\xc3\xa9")).toBe("café");
    expect(shownPath("a\x1b[31m\n\x7f\xc2\x9b\xff")).toBe("a\\u001b[31m\\u000a\\u007f\\u009b\\ufffd");
  });
});
