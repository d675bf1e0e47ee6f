import { expect, it } from "vitest";
import { readUnitRelations } from "../../src/plan/unit-relations.ts";
import { secondsOf } from "../bed/run.ts";

it("reads lists that spaces stand around, however many", () => {
  const gap = " ".repeat(100_000);
  const text = `[Unit]\n After =  a.service${gap}b.service${gap}\nBefore=\nBefore=c.service\n`;
  expect(secondsOf(() => void readUnitRelations("x.service", text))).toBeLessThan(2);
  expect(readUnitRelations("x.service", text)).toMatchObject({
    after: ["a.service", "b.service"],
    before: ["c.service"],
    defaultDependencies: true,
  });
});
