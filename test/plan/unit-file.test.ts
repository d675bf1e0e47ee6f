import { describe, expect, it } from "vitest";
import { allValues, lastValue, parseUnit } from "../../src/plan/unit-file.ts";

describe("a unit file", () => {
  it("is read with continued lines, comments between them, and sections that come again", () => {
    const directives = parseUnit(
      "[Unit]\nAfter=a \\\n# still\n b\n\n[Service]\nExecStart=/x  y\n[Unit]\nAfter=c\n",
      "x.service",
    );
    expect(directives).toEqual([
      { section: "Unit", key: "After", value: "a   b", line: 2 },
      { section: "Service", key: "ExecStart", value: "/x  y", line: 7 },
      { section: "Unit", key: "After", value: "c", line: 9 },
    ]);
  });

  it.each([
    ["a line without =", "[Service]\nrubbish\n"],
    ["a setting before any section", "Key=value\n"],
    ["an end inside a continued line", "[Service]\nExecStart=/x \\"],
    ["a key with a space", "[Service]\nExec Start=/x\n"],
  ])("refuses %s", (_, text) => {
    expect(() => parseUnit(text, "x.service")).toThrow(expect.objectContaining({ code: "E_UNIT" }));
  });

  it("counts only what follows an empty assignment, and the last of what may stand once", () => {
    const directives = parseUnit(
      "[Service]\nExecStartPre=/a\nExecStartPre=\nExecStartPre=/b\nType=simple\nType=notify\n",
      "x",
    );
    expect(allValues(directives, "Service", "ExecStartPre")).toEqual(["/b"]);
    expect(lastValue(directives, "Service", "Type")).toBe("notify");
    expect(lastValue(directives, "Service", "PIDFile")).toBeUndefined();
  });
});
