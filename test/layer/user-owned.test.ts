import { describe, expect, it } from "vitest";
import type { PlannedChange } from "../../src/layer/change.ts";
import { userOwned } from "../../src/layer/user-owned.ts";

const given = (mode: number) => ({ uid: 33, gid: 44, mode, mtime: 5, xattrs: [["user.x", "1"]] as const });
const root = (mode: number) => ({ uid: 0, gid: 0, mode, mtime: 5, xattrs: [] });

describe("78: a change as a user's store takes it", () => {
  it.each<[string, PlannedChange, PlannedChange]>([
    [
      "a set-id program that others may write to",
      { kind: "file", path: "a", size: 1, attributes: given(0o6777) },
      { kind: "file", path: "a", size: 1, attributes: root(0o775) },
    ],
    [
      "a file that nobody may read",
      { kind: "file", path: "a", size: 1, attributes: given(0) },
      { kind: "file", path: "a", size: 1, attributes: root(0o400) },
    ],
    [
      "a fifo",
      { kind: "fifo", path: "a", attributes: given(0o622) },
      { kind: "fifo", path: "a", attributes: root(0o620) },
    ],
    [
      "a sticky directory of a group",
      { kind: "directory", path: "a", attributes: given(0o3777) },
      { kind: "directory", path: "a", attributes: root(0o1777) },
    ],
    [
      "a directory that nobody may enter",
      { kind: "directory", path: "a", attributes: given(0) },
      { kind: "directory", path: "a", attributes: root(0o700) },
    ],
    [
      "a symlink",
      { kind: "symlink", path: "a", target: "b", attributes: given(0o777) },
      { kind: "symlink", path: "a", target: "b", attributes: root(0o777) },
    ],
    ["a hard link", { kind: "hardlink", path: "a", target: "b" }, { kind: "hardlink", path: "a", target: "b" }],
    ["a whiteout", { kind: "whiteout", path: "a" }, { kind: "whiteout", path: "a" }],
    ["an opaque directory", { kind: "opaque", path: "a" }, { kind: "opaque", path: "a" }],
  ])("%s", (_, change, expected) => {
    expect(userOwned(change)).toEqual(expected);
  });

  it("leaves out a node in /dev, and refuses one elsewhere", () => {
    const node = (path: string): PlannedChange => ({
      kind: "character",
      path,
      major: 1,
      minor: 3,
      attributes: given(0o666),
    });
    expect(userOwned(node("dev/null"))).toBeUndefined();
    for (const path of ["null", "srv/dev/null"])
      expect(() => userOwned(node(path))).toThrow(expect.objectContaining({ code: "E_LAYER" }));
  });
});
