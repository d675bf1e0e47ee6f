import { describe, expect, it } from "vitest";
import { parseAccessList } from "../../src/layer/acl.ts";
import { planChange } from "../../src/layer/change.ts";
import type { EntryKind, Xattrs } from "../../src/layer/entry.ts";

type Entry = readonly [tag: number, permission: number, id?: number];
const [userObject, user, groupObject, group, mask, other] = [1, 2, 4, 8, 16, 32];
const object: Entry[] = [[userObject, 6]];

/** The value of an access control list, one character a byte. */
function listOf(entries: readonly Entry[], version = 2): string {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(version);
  for (const [at, [tag, permission, id = 0xffffffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * at);
    bytes.writeUInt16LE(permission, 6 + 8 * at);
    bytes.writeUInt32LE(id, 8 + 8 * at);
  }
  return bytes.toString("latin1");
}

const plain = listOf([...object, [groupObject, 4], [other, 0]]);
const named = listOf([...object, [user, 7, 1000], [groupObject, 7], [group, 1, 5], [mask, 5], [other, 1]]);

function planned(kind: EntryKind, xattrs: Xattrs): unknown {
  const attributes = { uid: 0, gid: 0, mode: 0o4777, mtime: 0, xattrs };
  const change = planChange({ kind, path: "a", linkTarget: "b", size: 0, attributes, deviceMajor: 1, deviceMinor: 3 });
  return change !== undefined && "attributes" in change
    ? [change.attributes.mode.toString(8), change.attributes.xattrs.map(([name]) => name)]
    : change?.kind;
}

const refused = expect.objectContaining({ code: "E_LAYER" });

describe("an access control list", () => {
  it("is what the kernel reads in it", () => {
    expect(parseAccessList(plain)).toEqual({ mode: 0o640, plain: true });
    expect(parseAccessList(named)).toEqual({ mode: 0o651, plain: false });
    expect(parseAccessList(listOf([...object, [groupObject, 7], [mask, 1], [other, 0]]))).toEqual({
      mode: 0o610,
      plain: false,
    });
  });

  it.each<[string, string]>([
    ["is empty", ""],
    ["has only a version", listOf([])],
    ["has another version", listOf([...object, [groupObject, 4], [other, 0]], 1)],
    ["is cut short", plain.slice(0, -1)],
    ["has something behind it", `${plain}x`],
    [
      "lacks the owner",
      listOf([
        [groupObject, 4],
        [other, 0],
        [mask, 0],
      ]),
    ],
    ["lacks the others", listOf([...object, [groupObject, 4], [mask, 4]])],
    ["names a user and has no mask", listOf([...object, [user, 7, 1], [groupObject, 4], [other, 0]])],
    ["names a group and has no mask", listOf([...object, [groupObject, 4], [group, 4, 1], [other, 0]])],
    ["names nobody", listOf([...object, [user, 7], [groupObject, 4], [mask, 7], [other, 0]])],
    ["is out of order", listOf([...object, [groupObject, 4], [user, 7, 1], [mask, 7], [other, 0]])],
    [
      "gives what there is not",
      listOf([
        [userObject, 8],
        [groupObject, 4],
        [other, 0],
      ]),
    ],
    ["has a tag that nobody knows", listOf([...object, [64, 0], [other, 0]])],
  ])("that %s is none", (_, value) => {
    expect(parseAccessList(value)).toBeUndefined();
    expect(() => planned("file", [["system.posix_acl_access", value || "x"]])).toThrow(refused);
  });

  it("gives the entry its mode, and goes where it says no more than that", () => {
    expect(planned("file", [["system.posix_acl_access", plain]])).toEqual(["4640", []]);
    expect(planned("directory", [["system.posix_acl_access", named]])).toEqual(["4651", ["system.posix_acl_access"]]);
  });
});

it("attributes that the kernel would not take are refused, each on the types that cannot have it", () => {
  const capability = (revision: number, size: number): string =>
    `\0\0\0${String.fromCharCode(revision)}`.padEnd(size, "\0");
  const note = [["user.a", "x"]] as const;
  expect(planned("file", [["security.capability", capability(2, 20)]])).toEqual(["4777", ["security.capability"]]);
  expect(planned("file", [["security.capability", capability(3, 24)]])).toEqual(["4777", ["security.capability"]]);
  for (const value of [capability(1, 12), capability(2, 24), capability(3, 20), "x"])
    expect(() => planned("file", [["security.capability", value]])).toThrow(refused);
  expect(planned("directory", [["system.posix_acl_default", named]])).toEqual(["4777", ["system.posix_acl_default"]]);
  expect(() => planned("file", [["system.posix_acl_default", named]])).toThrow(refused);
  for (const kind of ["fifo", "character"] as const) expect(() => planned(kind, note)).toThrow(refused);
  expect(planned("hardlink", note)).toBe("hardlink");
});
