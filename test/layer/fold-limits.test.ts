import { describe, expect, it } from "vitest";
import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import { directory, file } from "./trees.ts";

describe("the directories that only paths name", () => {
  const tooMany = expect.objectContaining({ code: "E_LIMIT", hint: expect.stringContaining("layer_entries") });

  it("are counted, and no others", () => {
    const layer = [file("a/b/c"), file("a/b/d"), directory("e"), file("e/f")];
    expect(() => foldLayers([layer], 2)).not.toThrow();
    expect(() => foldLayers([layer], 1)).toThrow(tooMany);
  });

  it("are counted for each layer, without those that are there", () => {
    expect(() => foldLayers([[file("a/b/c")], [file("a/b/d"), file("g/h")]], 2)).not.toThrow();
    expect(() => foldLayers([[file("a/b/c")], [file("g/h/i/j")]], 2)).toThrow(tooMany);
  });

  it("are counted while few of them are made", () => {
    const deep = file(`${"x/".repeat(1500)}x`);
    expect(() => foldLayers([[deep]], 1499)).toThrow(tooMany);
    expect(() => foldLayers([[deep]], 1500)).not.toThrow();
  });
});

it("a layer that says it removes nothing is read once, any other until that is known", () => {
  let read = 0;
  const layer = (removes?: boolean) => ({
    ...(removes === undefined ? {} : { removes }),
    *[Symbol.iterator](): Generator<LayerChange> {
      read++;
      yield file("a");
    },
  });
  foldLayers([layer(false)]);
  expect(read).toBe(1);
  foldLayers([layer()]);
  expect(read).toBe(3);
});
