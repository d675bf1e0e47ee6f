import { describe, expect, it } from "vitest";
import { planChange } from "../../src/layer/change.ts";
import type { Attributes, EntryKind, TarEntry, Xattrs } from "../../src/layer/entry.ts";

const refused = expect.objectContaining({ code: "E_LAYER" });
const attributes: Attributes = { uid: 1, gid: 2, mode: 0o4755, mtime: 3, xattrs: [] };
const everyKind: readonly EntryKind[] = ["file", "directory", "symlink", "hardlink", "fifo", "character", "block"];

function entry(path: string, more: Partial<TarEntry> = {}): TarEntry {
  return { kind: "file", path, linkTarget: "to", size: 0, attributes, deviceMajor: 1, deviceMinor: 3, ...more };
}

describe("an entry asks for", () => {
  it.each<[string, Partial<TarEntry>, object]>([
    ["a file", { size: 7 }, { kind: "file", path: "a/b", attributes, size: 7 }],
    ["a directory", { kind: "directory" }, { kind: "directory", path: "a/b", attributes }],
    ["a fifo", { kind: "fifo" }, { kind: "fifo", path: "a/b", attributes }],
    ["a character device", { kind: "character" }, { kind: "character", path: "a/b", attributes, major: 1, minor: 3 }],
    [
      "the largest device number",
      { kind: "character", deviceMajor: 0xfff, deviceMinor: 0xfffff },
      { kind: "character", path: "a/b", attributes, major: 0xfff, minor: 0xfffff },
    ],
    [
      "a hard link, its target a path of the tree",
      { kind: "hardlink", linkTarget: "./x//y/" },
      { kind: "hardlink", path: "a/b", target: "x/y" },
    ],
    [
      "a symlink, its target byte for byte",
      { kind: "symlink", linkTarget: "..//../\xff/" },
      { kind: "symlink", path: "a/b", target: "..//../\xff/", attributes: { ...attributes, mode: 0o777 } },
    ],
  ])("%s", (_, more, planned) => {
    expect(planChange(entry("./a/b", more))).toEqual(planned);
  });

  it("the root's attributes, when it is a directory named in any way", () => {
    for (const path of ["", "./", "/", "."])
      expect(planChange(entry(path, { kind: "directory" }))).toEqual({ kind: "directory", path: "", attributes });
  });
});

describe("a whiteout", () => {
  it.each([
    [".wh.a", "a"],
    ["d/.wh.a", "d/a"],
    ["/./d//.wh.a", "d/a"],
    ["d/.wh..a", "d/.a"],
    [".wh....", "..."],
    [".wh..opq", ".opq"],
    [".wh.wh.a", "wh.a"],
    ["d/.wh. ", "d/ "],
  ])("%j removes %j, whatever its type", (path, removed) => {
    for (const kind of everyKind)
      expect(planChange(entry(path, { kind }))).toEqual({ kind: "whiteout", path: removed });
  });

  it.each([
    [".wh..wh..opq", ""],
    ["d/.wh..wh..opq", "d"],
    ["d/e/.wh..wh..opq", "d/e"],
  ])("%j empties %j, whatever its type", (path, emptied) => {
    for (const kind of everyKind) expect(planChange(entry(path, { kind }))).toEqual({ kind: "opaque", path: emptied });
  });

  it.each([
    ".wh..wh.plnk",
    ".wh..wh.aufs",
    ".wh..wh.orph",
    ".wh..wh.",
    ".wh..wh.opq",
    "d/.wh..wh.plnk",
    ".wh..wh.plnk/125.3",
    "d/.wh..wh.plnk/e/f",
  ])("of aufs, %j, means nothing", (path) => {
    for (const kind of everyKind) expect(planChange(entry(path, { kind }))).toBeUndefined();
  });

  it.each([".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh...", ".wh./", ".wh.a/b", "d/.wh.a/b/c", ".wh.../b"])(
    "%j is refused",
    (path) => {
      for (const kind of everyKind) expect(() => planChange(entry(path, { kind }))).toThrow(refused);
    },
  );
});

describe("an entry is refused", () => {
  it.each<[string, string, Partial<TarEntry>]>([
    ["that is a block device", "sda", { kind: "block" }],
    ["that is the character device 0:0", "a", { kind: "character", deviceMajor: 0, deviceMinor: 0 }],
    ["with a major number of 13 bits", "a", { kind: "character", deviceMajor: 0x1000 }],
    ["with a minor number of 21 bits", "a", { kind: "character", deviceMinor: 0x100000 }],
    ["with a negative device number", "a", { kind: "character", deviceMajor: -1 }],
    ["that is a symlink to nothing", "a", { kind: "symlink", linkTarget: "" }],
    ["that is a symlink with a NUL", "a", { kind: "symlink", linkTarget: "a\0b" }],
    ["that is a symlink of 4096 bytes", "a", { kind: "symlink", linkTarget: "x".repeat(4096) }],
    ["that is a hard link out of the tree", "a", { kind: "hardlink", linkTarget: "../etc/shadow" }],
    ["that climbs", "a/../../b", {}],
  ])("%s", (_, path, more) => {
    expect(() => planChange(entry(path, more))).toThrow(refused);
  });

  it.each(everyKind.filter((kind) => kind !== "directory"))("that makes the root a %s", (kind) => {
    for (const path of ["", "./", "/", "."]) expect(() => planChange(entry(path, { kind }))).toThrow(refused);
  });
});

describe("an extended attribute", () => {
  const planned = (xattrs: Xattrs, kind: EntryKind = "file"): unknown => {
    const change = planChange(entry("a", { kind, attributes: { ...attributes, xattrs } }));
    return change !== undefined && "attributes" in change ? change.attributes.xattrs : undefined;
  };

  it.each(["user.a", "user.overlays", "user.caf\xc3\xa9"])("%s is kept, its value byte for byte", (name) => {
    const xattrs = [[name, "\0\n\xff"]] as const;
    expect(planned(xattrs)).toEqual(xattrs);
    expect(planned([[name, "v".repeat(64 * 1024)]])).toHaveLength(1);
  });

  it.each([
    "security.selinux",
    "security.ima",
    "security.evm",
    "security.SMACK64",
    "security.SMACK64EXEC",
    "security.apparmor",
    "system.nfs4_acl",
    "trusted.overlay.opaque",
    "trusted.overlay.redirect",
    "user.overlay.opaque",
    "user.overlay.metacopy",
  ])("%s belongs to the host that wrote the layer, and is left out", (name) => {
    expect(
      planned([
        [name, "y"],
        ["user.z", "z"],
      ]),
    ).toEqual([["user.z", "z"]]);
  });

  it.each([
    ["trusted.a", "v"],
    ["security.other", "v"],
    ["system.other", "v"],
    ["security.capability.x", "v"],
    ["nonsense", "v"],
    ["", "v"],
    ["user.", "v"],
    ["user.a\0b", "v"],
    [`user.${"n".repeat(251)}`, "v"],
    ["user.large", "v".repeat(64 * 1024 + 1)],
  ])("%j is refused", (name, value) => {
    expect(() => planned([[name, value]])).toThrow(refused);
  });

  it("without a value is left out: ostree knows none", () => {
    const xattrs = [
      ["user.a", ""],
      ["user.b", "\0"],
    ] as const;
    expect(planned(xattrs)).toEqual([["user.b", "\0"]]);
    expect(() => planned([["trusted.a", ""]])).toThrow(refused);
  });

  it("is not kept on a symlink, but a wrong one is refused there too", () => {
    expect(planned([["user.a", "v"]], "symlink")).toEqual([]);
    expect(() => planned([["trusted.a", "v"]], "symlink")).toThrow(refused);
  });
});
