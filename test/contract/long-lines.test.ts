import { describe, expect, it } from "vitest";
import { renderTmpfiles, renderUnit } from "../../src/contract/template.ts";
import { parseTmpfiles } from "../../src/plan/tmpfiles.ts";
import { secondsOf } from "../bed/run.ts";
import { stringTemplate, valuesOf } from "./contracts.ts";

describe("a template with very much of one character", () => {
  it.each([
    ["backslashes", "\\"],
    ["spaces", " "],
    ["tabs", "\t"],
  ])("is rendered, of %s, in time that grows as it does", (_, character) => {
    const template = stringTemplate(`A=$V x${character.repeat(100_000)}x\n`);
    const values = valuesOf({ V: "1" });
    expect(secondsOf(() => void renderUnit(template, values))).toBeLessThan(2);
    expect(secondsOf(() => void renderTmpfiles(template, values))).toBeLessThan(2);
  });

  it("is rendered and read where a field has sixteen million of them", () => {
    const template = stringTemplate(`d "/${"a".repeat(16_000_000)}" $V\n`);
    const text = renderTmpfiles(template, valuesOf({ V: "0755" }));
    expect(parseTmpfiles(text, "tmpfiles")).toMatchObject([{ type: "d", mode: "0755" }]);
  });
});
