// biome-ignore-all lint/suspicious/noTemplateCurlyInString: dollar signs are the subject here
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatSystemdArgument } from "../../src/contract/systemd-argument.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keelson-argument-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("formatSystemdArgument", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["plain-1.2_x:/y=z,@+", "plain-1.2_x:/y=z,@+"],
    ["", '""'],
    ["two words", '"two words"'],
    ["50%", "50%%"],
    ["$HOME", "$$HOME"],
    ["${A} %n", '"$${A} %%n"'],
    ['a"b\\', '"a\\"b\\\\"'],
    [";", '";"'],
    ["it's", '"it\'s"'],
    ["tab\there", '"tab\there"'],
    ["é", '"é"'],
  ];
  it.each(rows)("writes %j as %j", (text, expected) => {
    expect(formatSystemdArgument(text)).toBe(expected);
  });

  it.each(["a\nb", "\r", "\0", "\u007f", "\u2028"])("has no form for %j", (text) => {
    expect(formatSystemdArgument(text)).toBeUndefined();
  });

  // systemd names the executable it refuses, as it has read it: the one argument it repeats without running anything.
  it.each(["/a b", '/a"b', "/a\\b", "/a\\\\", "/50%n %%", "/é'x", "/a;b ;c", "/tab\tb c"])(
    "systemd reads %j back",
    (text) => {
      const unit = join(folder, "argument.service");
      writeFileSync(unit, `[Service]\nExecStart=${formatSystemdArgument(`${text}\\`)}\n`);
      const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
      expect(stderr.replaceAll("\\t", "\t")).toContain(`Executable name contains special characters: ${text}\\\n`);
    },
  );
});
