import { describe, expect, it } from "vitest";
import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import { directory, file } from "./trees.ts";

describe("the entries that a layer may make", () => {
  const tooMany = expect.objectContaining({ code: "E_LIMIT", hint: expect.stringContaining("layer_entries") });

  it("count the directories that only paths name, and those of a layer alone", () => {
    const layer = [file("a/b/c"), file("a/b/d"), directory("a")];
    expect(() => foldLayers([layer, layer], 5)).not.toThrow();
    expect(() => foldLayers([layer], 4)).toThrow(tooMany);
  });

  it("do not count what is there, and are counted while few are made", () => {
    expect(() => foldLayers([[file("a/b/c")], [file("a/b/d")]], 3)).not.toThrow();
    const deep = file(`${"x/".repeat(1500)}x`);
    expect(() => foldLayers([[deep]], 1500)).toThrow(tooMany);
    expect(() => foldLayers([[deep]], 1501)).not.toThrow();
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
