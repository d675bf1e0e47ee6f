import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { removeFile, removeTree } from "../../src/store/remove.ts";
import { pinDown } from "../bed/mount.ts";
import { scratchDirectory } from "../bed/scratch.ts";

describe("what is removed", () => {
  it("goes with everything in it, and no symlink is followed", () => {
    const directory = scratchDirectory();
    mkdirSync(join(directory, "tree/below"), { recursive: true });
    writeFileSync(Buffer.concat([Buffer.from(join(directory, "tree/below/")), Buffer.from([0xff])]), "");
    mkdirSync(join(directory, "other"));
    writeFileSync(join(directory, "other/file"), "");
    symlinkSync("../other", join(directory, "tree/link"));
    removeTree(join(directory, "tree"));
    expect(readdirSync(directory)).toEqual(["other"]);
    symlinkSync("other", join(directory, "link"));
    removeTree(join(directory, "link"));
    removeFile(join(directory, "other/file"));
    expect([readdirSync(directory), readdirSync(join(directory, "other"))]).toEqual([["other"], []]);
  });

  it("may be gone already", () => {
    const path = join(scratchDirectory(), "none");
    removeTree(path);
    removeTree(Buffer.from(path));
    removeFile(path);
    expect(existsSync(path)).toBe(false);
  });

  it("is named when it cannot be removed, wherever it is in a tree", () => {
    const directory = scratchDirectory();
    const stuck = join(directory, "tree/below/stuck");
    mkdirSync(stuck, { recursive: true });
    pinDown(stuck);
    const error = { code: "EBUSY", syscall: "rmdir", path: stuck };
    expect(() => removeTree(join(directory, "tree"))).toThrow(expect.objectContaining(error));
    expect(() => removeTree(stuck)).toThrow(`EBUSY: resource busy or locked, rmdir '${stuck}'`);
    const file = join(directory, "file");
    writeFileSync(file, "");
    pinDown(file);
    expect(() => removeFile(file)).toThrow(`EBUSY: resource busy or locked, unlink '${file}'`);
  });
});
