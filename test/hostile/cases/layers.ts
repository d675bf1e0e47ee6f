import { casesOf, contained, exactly, imageOf } from "../case.ts";
import { character, directory, fifo, file, hardlink, layer, opaque, symlink, whiteout, withPax } from "../entries.ts";
import { implied, isDirectory, isFile, isLink, isSameAs } from "../rows.ts";

const note = { "SCHILY.xattr.user.note": "1" };
const kinds = ["file", "directory", "symlink", "fifo", "character"] as const;

function made(kind: (typeof kinds)[number]): Buffer {
  switch (kind) {
    case "file":
      return file("a", "1");
    case "directory":
      return Buffer.concat([directory("a"), file("a/in", "2")]);
    case "symlink":
      return symlink("a", "b");
    case "fifo":
      return fifo("a");
    case "character":
      return character("a", 1, 3);
  }
}

const rows = {
  file: { a: isFile("1") },
  directory: { a: isDirectory(), "a/in": isFile("2") },
  symlink: { a: isLink("b") },
  fifo: { a: "fifo 644 0:0 @1000000000" },
  character: { a: "character 644 0:0 @1000000000 1,3" },
};

/** Every type in place of every other, and the rules by which layers meet. */
export const layers = casesOf(
  "3",
  ...kinds.flatMap((below) =>
    kinds
      .filter((above) => above !== below)
      .map(
        (above) =>
          [
            `a ${above} in place of a ${below}`,
            imageOf(layer(made(below)), layer(made(above))),
            exactly(rows[above]),
          ] as const,
      ),
  ),
  [
    "a directory over a directory takes attributes as a whole and keeps what is in it",
    imageOf(
      layer(withPax(note, directory("d", { mode: 0o700, uid: 1 })), file("d/f", "x")),
      layer(directory("d", { mode: 0o711, gid: 2, mtime: 5 })),
    ),
    exactly({ d: isDirectory({ mode: 0o711, gid: 2, mtime: 5 }), "d/f": isFile("x") }),
  ],
  [
    "a directory below without an entry of its own",
    imageOf(layer(file("a/b/c", "x"))),
    exactly({ a: implied, "a/b": implied, "a/b/c": isFile("x") }),
  ],
  [
    "a directory whose entry comes behind what is in it",
    imageOf(layer(file("d/f", "x"), directory("d", { mode: 0o700, mtime: 7 }))),
    exactly({ d: isDirectory({ mode: 0o700, mtime: 7 }), "d/f": isFile("x") }),
  ],
  [
    "a directory's time after what is written in it",
    imageOf(layer(directory("d", { mtime: 5 }), file("d/a"), directory("d/e", { mtime: 6 }), file("d/e/f"))),
    exactly({ d: isDirectory({ mtime: 5 }), "d/a": isFile(), "d/e": isDirectory({ mtime: 6 }), "d/e/f": isFile() }),
  ],
  [
    "a parent that is a symlink inside",
    imageOf(layer(directory("usr/lib"), symlink("lib", "usr/lib")), layer(file("lib/x", "x"))),
    exactly({ usr: implied, "usr/lib": isDirectory(), "usr/lib/x": isFile("x"), lib: isLink("usr/lib") }),
  ],
  [
    "a parent that is a symlink to what is not there",
    imageOf(layer(symlink("lib", "usr/lib"), file("lib/x", "x"))),
    contained({ usr: implied, "usr/lib": implied, "usr/lib/x": isFile("x"), lib: isLink("usr/lib") }),
  ],
  [
    "a directory over a symlink to a directory",
    imageOf(
      layer(directory("real"), file("real/f", "x"), symlink("l", "real")),
      layer(directory("l", { mode: 0o700 }), file("l/g", "y")),
    ),
    exactly({ real: isDirectory(), "real/f": isFile("x"), l: isDirectory({ mode: 0o700 }), "l/g": isFile("y") }),
  ],
  [
    "a hard link within a layer",
    imageOf(layer(file("a", "x", { mode: 0o4755 }), hardlink("d/b", "a"))),
    exactly({ a: isFile("x", { mode: 0o4755 }), d: implied, "d/b": isSameAs("a") }),
  ],
  [
    "a hard link into the layer below",
    imageOf(layer(file("a", "x")), layer(hardlink("b", "./a"))),
    exactly({ a: isFile("x"), b: isSameAs("a") }),
  ],
  [
    "a hard link whose target the next layer replaces",
    imageOf(layer(file("a", "x"), hardlink("b", "a")), layer(file("a", "y"))),
    exactly({ a: isFile("y"), b: isFile("x") }),
  ],
  [
    "a hard link to a name with a slash before it",
    imageOf(layer(file("a", "x"), hardlink("b", "/a"))),
    exactly({ a: isFile("x"), b: isSameAs("a") }),
  ],
  [
    "a hard link to a symlink",
    imageOf(layer(symlink("a", "/etc"), hardlink("b", "a"))),
    exactly({ a: isLink("/etc"), b: isSameAs("a") }),
  ],
  [
    "a hard link through a parent that is a symlink",
    imageOf(layer(file("d/f", "x"), symlink("l", "d"), hardlink("h", "l/f"))),
    exactly({ d: implied, "d/f": isFile("x"), l: isLink("d"), h: isSameAs("d/f") }),
  ],
  [
    "a whiteout in one layer and a new type in the next",
    imageOf(layer(directory("a"), file("a/f")), layer(whiteout("a")), layer(symlink("a", "x"))),
    exactly({ a: isLink("x") }),
  ],
  [
    "whiteouts through a parent that is a symlink inside",
    imageOf(layer(file("d/f"), file("d/g"), symlink("l", "d")), layer(file("l/.wh.f"))),
    contained({ d: implied, "d/g": isFile(), l: isLink("d") }),
  ],
  [
    "an opaque marker three layers up",
    imageOf(layer(file("d/a"), file("d/e/b")), layer(file("d/c")), layer(opaque("d"), file("d/z"))),
    exactly({ d: implied, "d/z": isFile() }),
  ],
  [
    "a file that only changes its mode",
    imageOf(layer(file("f", "x")), layer(file("f", "x", { mode: 0o600 }))),
    exactly({ f: isFile("x", { mode: 0o600 }) }),
  ],
  [
    "attributes that the next layer drops",
    imageOf(layer(withPax(note, file("f", "x"))), layer(file("f", "x"))),
    exactly({ f: isFile("x") }),
  ],
  ["a layer that changes nothing", imageOf(layer(file("f", "x")), layer(), layer()), exactly({ f: isFile("x") })],
);
