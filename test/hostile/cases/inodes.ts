import { base256 } from "../../bed/tar-writer.ts";
import { casesOf, exactly, imageOf, refused } from "../case.ts";
import { character, directory, fifo, file, hardlink, layer, withPax } from "../entries.ts";
import { isCharacter, isDirectory, isFifo, isFile, isSameAs } from "../rows.ts";

const owner = refused("E_LAYER", /an owner is|uid is/);
const device = refused("E_LAYER", /device number is out of range|number .* too large/);
/** Owners, modes and devices. */
export const inodes = casesOf(
  "2.3",
  [
    "set-id bits, sticky bits and no bits at all",
    imageOf(
      layer(
        file("a", "1", { mode: 0o6755 }),
        file("b", "2", { mode: 0 }),
        directory("c", { mode: 0o1777 }),
        directory("d", { mode: 0o2750, gid: 9 }),
        file("d/e", "3"),
      ),
    ),
    exactly({
      a: isFile("1", { mode: 0o6755 }),
      b: isFile("2", { mode: 0 }),
      c: isDirectory({ mode: 0o1777 }),
      d: isDirectory({ mode: 0o2750, gid: 9 }),
      "d/e": isFile("3"),
    }),
  ],
  [
    "set-id bits of another owner",
    imageOf(
      layer(
        file("a", "1", { mode: 0o4755, uid: 1000, gid: 1001 }),
        file("b", "x".repeat(300_000), { mode: 0o6711, uid: 1000 }),
      ),
    ),
    exactly({
      a: isFile("1", { mode: 0o4755, uid: 1000, gid: 1001 }),
      b: isFile("x".repeat(300_000), { mode: 0o6711, uid: 1000 }),
    }),
  ],
  [
    "the greatest owner there is",
    imageOf(
      layer(
        file("a", "1", { uid: base256(4_294_967_294n, 8), gid: base256(4_294_967_294n, 8) }),
        withPax({ uid: "4294967294" }, file("b", "2")),
      ),
    ),
    exactly({ a: isFile("1", { uid: 4_294_967_294, gid: 4_294_967_294 }), b: isFile("2", { uid: 4_294_967_294 }) }),
  ],
  [
    "the owner 2^32-1, set-uid",
    imageOf(layer(file("f", "x", { mode: 0o4755, uid: base256(4_294_967_295n, 8) }))),
    owner,
  ],
  ["the owner 2^32, set-uid", imageOf(layer(file("f", "x", { mode: 0o4755, uid: base256(4_294_967_296n, 8) }))), owner],
  [
    "the group 2^32-1 in a PAX record",
    imageOf(layer(withPax({ gid: "4294967295" }, file("f", "x", { mode: 0o2755 })))),
    owner,
  ],
  ["the owner -1", imageOf(layer(file("f", "x", { mode: 0o4755, uid: base256(-1n, 8) }))), owner],
  [
    "the owner -1 in a PAX record",
    imageOf(layer(withPax({ uid: "-1" }, file("f", "x", { mode: 0o4755 })))),
    refused("E_LAYER", /PAX uid is not a number/),
  ],
  [
    "an owner that is no number",
    imageOf(layer(withPax({ uid: "NaN" }, file("f")))),
    refused("E_LAYER", /PAX uid is not a number/),
  ],
  [
    "an owner of 2^64 in a PAX record",
    imageOf(layer(withPax({ uid: "18446744073709551616" }, file("f")))),
    refused("E_LAYER", /PAX uid is not a number/),
  ],
  [
    "a mode with a file type in it",
    imageOf(layer(file("f", "x", { mode: 0o100755 }), directory("d", { mode: 0o40700 }))),
    exactly({ f: isFile("x", { mode: 0o755 }), d: isDirectory({ mode: 0o700 }) }),
  ],
  [
    "a block device",
    imageOf(layer(file("sda", "", { type: "4", deviceMajor: 8, mode: 0o666 }))),
    refused("E_LAYER", /block device/),
  ],
  [
    "character devices and fifos, and links of them",
    imageOf(
      layer(
        character("null", 1, 3, { mode: 0o666 }),
        hardlink("zero", "null"),
        fifo("p", { mode: 0o620, uid: 5 }),
        hardlink("q", "p"),
        character("x", 4095, 1_048_575),
      ),
    ),
    exactly({
      null: isCharacter(1, 3, { mode: 0o666 }),
      zero: isSameAs("null"),
      p: isFifo({ mode: 0o620, uid: 5 }),
      q: isSameAs("p"),
      x: isCharacter(4095, 1_048_575),
    }),
  ],
  ["a device of a major number out of range", imageOf(layer(character("x", 4096, 0))), device],
  ["a device of a minor number out of range", imageOf(layer(character("x", 1, 1_048_576))), device],
  ["a device of a negative number", imageOf(layer(file("x", "", { type: "3", deviceMajor: base256(-1n, 8) }))), device],
  [
    "the same content under other owners and modes",
    imageOf(
      layer(
        file("a", "x"),
        file("b", "x", { mode: 0o4755 }),
        file("c", "x", { uid: 1 }),
        withPax({ "SCHILY.xattr.user.a": "1" }, file("d", "x")),
      ),
    ),
    exactly({
      a: isFile("x"),
      b: isFile("x", { mode: 0o4755 }),
      c: isFile("x", { uid: 1 }),
      d: isFile("x", { xattrs: { "user.a": "1" } }),
    }),
  ],
  [
    "a fifo and a device that become files",
    imageOf(layer(fifo("p"), character("c", 1, 3)), layer(file("p", "x"), directory("c"), file("c/f"))),
    exactly({ p: isFile("x"), c: isDirectory(), "c/f": isFile() }),
  ],
);
