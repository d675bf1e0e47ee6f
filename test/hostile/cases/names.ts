import { gnuLong } from "../../bed/tar-writer.ts";
import { casesOf, contained, exactly, imageOf, refused } from "../case.ts";
import { directory, file, hardlink, layer, symlink, withLongName, withPax } from "../entries.ts";
import { implied, isDirectory, isFile, isLink, isSameAs } from "../rows.ts";

const climbs = refused("E_LAYER", /climbs with \.\./);
const rootOnly = refused("E_LAYER", /root.*only be a directory/);
const deep = `${"d/".repeat(600)}f`;

/** Names that lead somewhere else, or nowhere. */
export const names = casesOf(
  "2.1",
  [
    "an absolute name is below the root",
    imageOf(layer(file("/etc/passwd", "x"))),
    exactly({ etc: implied, "etc/passwd": isFile("x") }),
  ],
  [
    "empty and dot components are nothing",
    imageOf(layer(file("//a///b/./c", "x"), file("./d"), directory("e//"))),
    exactly({ a: implied, "a/b": implied, "a/b/c": isFile("x"), d: isFile(), e: isDirectory() }),
  ],
  ["a name that begins with ..", imageOf(layer(file("../evil"))), climbs],
  ["a name that climbs out from within", imageOf(layer(file("a/b/../../../evil"))), climbs],
  ["a name that climbs and stays inside", imageOf(layer(directory("a"), file("a/../b"))), climbs],
  ["an absolute name that climbs", imageOf(layer(file("/../../evil"))), climbs],
  ["a directory called ..", imageOf(layer(directory(".."))), climbs],
  ["a name that climbs in a PAX record", imageOf(layer(withPax({ path: "../../evil" }, file("good")))), climbs],
  ["a name that climbs in a GNU long name", imageOf(layer(withLongName("a/../../evil", file("good")))), climbs],
  ["a name that climbs in a ustar prefix", imageOf(layer(file("evil", "", { prefix: "../.." }))), climbs],
  ["a name that climbs where prefix and name meet", imageOf(layer(file("./evil", "", { prefix: "a/.." }))), climbs],
  [
    "a name with a control sequence that climbs",
    imageOf(layer(file("../\x1b[2J\r\nevil"))),
    refused("E_LAYER", /\\u001b\[2J.*climbs/),
  ],
  ["the root as a file", imageOf(layer(file("."))), rootOnly],
  ["the root as a symlink", (place) => imageOf(layer(symlink("./", place.outside), file("new"))), rootOnly],
  ["the root as a hard link", imageOf(layer(file("f"), hardlink("/", "f"))), rootOnly],
  ["an entry without a name", imageOf(layer(file(""))), rootOnly],
  ["a device for a root", imageOf(layer(file("././.", "", { type: "3", deviceMajor: 1, deviceMinor: 3 }))), rootOnly],
  ["a NUL in a PAX path", imageOf(layer(withPax({ path: "a\0b" }, file("good")))), refused("E_LAYER", /NUL/)],
  [
    "a name of 256 bytes",
    imageOf(layer(withPax({ path: `a/${"n".repeat(256)}` }, file("good")))),
    refused("E_LAYER", /longer than 255 bytes/),
  ],
  [
    "a name of 255 bytes",
    imageOf(layer(withPax({ path: "n".repeat(255) }, file("good", "x")))),
    exactly({ ["n".repeat(255)]: isFile("x") }),
  ],
  [
    "a path of 4,100 bytes",
    imageOf(layer(withPax({ path: "dir/".repeat(1025) }, file("good")))),
    refused("E_LAYER", /longer than 4095 bytes/),
  ],
  [
    "a path of 1,201 bytes and 600 directories",
    imageOf(layer(withPax({ path: deep }, file("good", "x")))),
    exactly({
      ...Object.fromEntries(Array.from({ length: 600 }, (_, at) => ["d/".repeat(at + 1).slice(0, -1), implied])),
      [deep]: isFile("x"),
    }),
  ],
  [
    "a path that grows beyond what the host can open",
    imageOf(layer(withPax({ path: `${"d/".repeat(2000)}f` }, file("good")))),
    refused("E_LAYER", /longer than \d+ bytes/),
  ],
  [
    "directories that symlinks put below each other without end",
    imageOf(
      layer(
        ...Array.from({ length: 12 }, (_, at) => [
          withPax({ path: `${at === 0 ? "" : `s${at - 1}/`}${"d/".repeat(400)}f` }, file("good")),
          withPax({ linkpath: `${at === 0 ? "" : `s${at - 1}/`}${"d/".repeat(400)}` }, symlink(`s${at}`, "d")),
        ]).flat(),
      ),
    ),
    refused("E_LAYER", /longer than \d+ bytes/),
  ],
  [
    "names with line breaks, control sequences and bytes that are no text",
    imageOf(layer(file("a\nb"), file("\x1b[31mred"), file("\xff\xfe"), file("-rf"), file(" "), file("a\\b"))),
    exactly({
      "a\nb": isFile(),
      "\x1b[31mred": isFile(),
      "\xff\xfe": isFile(),
      "-rf": isFile(),
      " ": isFile(),
      "a\\b": isFile(),
    }),
  ],
  [
    "names that differ in case, or in how an accent is written",
    (place) =>
      imageOf(
        layer(
          symlink("Door", place.outside),
          file("door/f"),
          symlink("caf\xc3\xa9", place.outside),
          file("cafe\xcc\x81/f"),
        ),
      ),
    exactly({
      Door: isLink("OUTSIDE"),
      door: implied,
      "door/f": isFile(),
      "caf\xc3\xa9": isLink("OUTSIDE"),
      "cafe\xcc\x81": implied,
      "cafe\xcc\x81/f": isFile(),
    }),
  ],
  [
    "a GNU long name that nothing follows",
    imageOf(layer(file("f"), gnuLong("L", "name"))),
    refused("E_LAYER", /no entry follows/),
  ],
  [
    "a link target of 4,096 bytes",
    imageOf(layer(withPax({ linkpath: "t".repeat(4096) }, symlink("l", "t")))),
    refused("E_LAYER", /target of the symlink/),
  ],
  ["a symlink to nothing at all", imageOf(layer(symlink("l", ""))), refused("E_LAYER", /target of the symlink/)],
  [
    "the root's own attributes",
    imageOf(layer(directory("./", { mode: 0o711, uid: 7, gid: 8 }), file("f"))),
    exactly({ "": isDirectory({ mode: 0o711, uid: 7, gid: 8 }), f: isFile() }),
  ],
  [
    "a hard link whose name is the root's with another spelling",
    imageOf(layer(file("f", "x"), hardlink("././g", "./f"))),
    contained({ f: isFile("x"), g: isSameAs("f") }),
  ],
);
