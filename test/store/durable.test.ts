import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  besidePath,
  createDurably,
  linkDurably,
  type NewFile,
  writeAllDurably,
  writeDurably,
} from "../../src/store/durable.ts";
import { scratchDirectory } from "../bed/scratch.ts";

describe("a file written durably", () => {
  it("replaces the old one by a new inode, with its mode whatever the umask", () => {
    const path = join(scratchDirectory(), "file");
    writeFileSync(path, "old");
    const old = lstatSync(path).ino;
    const umask = process.umask(0o077);
    try {
      writeDurably(path, "new", 0o644);
    } finally {
      process.umask(umask);
    }
    expect([readFileSync(path, "utf8"), lstatSync(path).mode & 0o7777]).toEqual(["new", 0o644]);
    expect(lstatSync(path).ino).not.toBe(old);
  });

  it("takes any bytes in its name and content", () => {
    const scratch = scratchDirectory();
    const path = Buffer.concat([Buffer.from(`${scratch}/`), Buffer.from([0xff, 0x20, 0xfe])]);
    writeDurably(path, Buffer.from([0, 1, 255]), 0o600);
    expect(readFileSync(path)).toEqual(Buffer.from([0, 1, 255]));
  });

  it("does not mind what a crash has left beside it", () => {
    const scratch = scratchDirectory();
    const path = join(scratch, "file");
    for (const act of [() => writeDurably(path, "new", 0o644), () => linkDurably(path, "target")]) {
      writeFileSync(besidePath(path), "half");
      act();
      expect(readdirSync(scratch)).toEqual(["file"]);
    }
    expect(readlinkSync(path)).toBe("target");
  });

  it("never follows a symlink, beside it or in its place", () => {
    const scratch = scratchDirectory();
    const [path, victim] = [join(scratch, "file"), join(scratch, "victim")];
    writeFileSync(victim, "untouched");
    symlinkSync(victim, path);
    symlinkSync(victim, besidePath(path));
    writeDurably(path, "new", 0o644);
    expect([readFileSync(path, "utf8"), readFileSync(victim, "utf8")]).toEqual(["new", "untouched"]);
    expect(lstatSync(path).isFile()).toBe(true);
  });

  it("leaves the old one and nothing beside it when it cannot take its place", () => {
    const scratch = scratchDirectory();
    const path = join(scratch, "directory");
    mkdirSync(join(path, "in"), { recursive: true });
    expect(() => writeDurably(path, "new", 0o644)).toThrow(expect.objectContaining({ code: "EISDIR" }));
    expect(() => linkDurably(path, "target")).toThrow(expect.objectContaining({ code: "EISDIR" }));
    expect(readdirSync(scratch)).toEqual(["directory"]);
  });
});

describe("files written durably together", () => {
  it("all come into their places, in directories that are made, with their modes whatever the umask", () => {
    const scratch = scratchDirectory();
    const paths = ["a", "in/b", "in/deep/c"].map((name) => join(scratch, name));
    writeFileSync(join(scratch, "a"), "old");
    writeFileSync(besidePath(join(scratch, "a")), "half");
    const umask = process.umask(0o077);
    try {
      writeAllDurably(paths.map((path, index) => ({ path, content: path, mode: index === 1 ? 0o644 : 0o600 })));
    } finally {
      process.umask(umask);
    }
    expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(paths);
    expect(paths.map((path) => lstatSync(path).mode & 0o777)).toEqual([0o600, 0o644, 0o600]);
    expect(readdirSync(scratch, { recursive: true }).sort()).toEqual(["a", "in", "in/b", "in/deep", "in/deep/c"]);
  });

  it("take the place of a file that is written on another file system", () => {
    const [scratch, elsewhere] = [scratchDirectory(), mkdtempSync("/dev/shm/keelson-")];
    try {
      expect(lstatSync(elsewhere).dev).not.toBe(lstatSync(scratch).dev);
      const file = join(elsewhere, "written");
      writeFileSync(file, "content", { mode: 0o644 });
      writeAllDurably([{ path: join(scratch, "file"), content: { file }, mode: 0o600 }]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
    expect([readdirSync(scratch), readFileSync(join(scratch, "file"), "utf8")]).toEqual([["file"], "content"]);
    expect(lstatSync(join(scratch, "file")).mode & 0o777).toBe(0o600);
  });

  it("take the place of a file that is written already, and leave nothing where it was", () => {
    const scratch = scratchDirectory();
    writeFileSync(join(scratch, "written"), "content", { mode: 0o644 });
    writeAllDurably([{ path: join(scratch, "in/file"), content: { file: join(scratch, "written") }, mode: 0o600 }]);
    expect(readdirSync(scratch)).toEqual(["in"]);
    expect(readFileSync(join(scratch, "in/file"), "utf8")).toBe("content");
    expect(lstatSync(join(scratch, "in/file")).mode & 0o777).toBe(0o600);
  });

  it("are none of them touched when one of them cannot be made, and nothing stays beside them", () => {
    const scratch = scratchDirectory();
    const path = join(scratch, "file");
    writeFileSync(path, "old");
    const files = function* (): Generator<NewFile> {
      yield { path, content: "new", mode: 0o600 };
      throw new Error("no more");
    };
    expect(() => writeAllDurably(files())).toThrow("no more");
    expect([readFileSync(path, "utf8"), readdirSync(scratch)]).toEqual(["old", ["file"]]);
  });
});

describe("a file created durably", () => {
  it("is there whole, under its one name", () => {
    const scratch = scratchDirectory();
    const path = join(scratch, "file");
    writeFileSync(besidePath(path), "half");
    createDurably(path, "new", 0o640);
    expect([readFileSync(path, "utf8"), lstatSync(path).mode & 0o7777]).toEqual(["new", 0o640]);
    expect([readdirSync(scratch), lstatSync(path).nlink]).toEqual([["file"], 1]);
  });

  it("never replaces what is there, a dangling symlink either", () => {
    const scratch = scratchDirectory();
    const [path, link] = [join(scratch, "file"), join(scratch, "link")];
    writeFileSync(path, "theirs");
    symlinkSync(join(scratch, "nowhere"), link);
    for (const one of [path, link])
      expect(() => createDurably(one, "ours", 0o644)).toThrow(expect.objectContaining({ code: "EEXIST" }));
    expect(readFileSync(path, "utf8")).toBe("theirs");
    expect(readdirSync(scratch).sort()).toEqual(["file", "link"]);
  });
});
