import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { bytesFreed } from "../../src/store/freed.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";

/** What is on the disk below a directory, each inode counted once. */
function usage(directory: string): number {
  return Number(runProgram("du", ["--summarize", "--block-size=1", directory]).split("\t")[0]);
}

it("what is freed is what du(1) no longer counts", () => {
  const directory = scratchDirectory();
  mkdirSync(join(directory, "a/b"), { recursive: true });
  mkdirSync(join(directory, "c"));
  writeFileSync(join(directory, "a/b/large"), "x".repeat(100_000));
  writeFileSync(join(directory, "a/shared"), "y".repeat(20_000));
  linkSync(join(directory, "a/shared"), join(directory, "a/b/shared"));
  linkSync(join(directory, "a/shared"), join(directory, "c/shared"));
  symlinkSync("nowhere", join(directory, "a/link"));
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/a/`), Buffer.from([0xff])]), "no UTF-8");

  const before = usage(directory);
  const freed = bytesFreed([join(directory, "a")]);
  const whole = bytesFreed([join(directory, "a"), join(directory, "c"), join(directory, "none")]);
  runProgram("rm", ["-r", join(directory, "a")]);
  expect(freed).toBe(before - usage(directory));
  const rest = usage(directory);
  runProgram("rm", ["-r", join(directory, "c")]);
  expect(whole).toBe(freed + rest - usage(directory));
});

it("a file is freed with its last link, wherever the links are, and once", () => {
  const directory = scratchDirectory();
  const paths = ["a", "b", "c"].map((name) => join(directory, name));
  const [first = "", ...others] = paths;
  writeFileSync(first, "x".repeat(5000));
  for (const other of others) linkSync(first, other);
  expect(bytesFreed(paths.slice(0, 2))).toBe(0);
  expect(bytesFreed(paths)).toBe(8192);
});
