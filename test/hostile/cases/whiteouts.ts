import { casesOf, contained, exactly, imageOf, refused } from "../case.ts";
import { character, directory, file, hardlink, layer, opaque, symlink, whiteout, withPax } from "../entries.ts";
import { implied, isDirectory, isFile, isLink } from "../rows.ts";

const nothing = refused("E_LAYER", /whiteout names nothing/);
const lower = layer(directory("d"), file("d/old", "1"), file("f", "2"));
const d = isDirectory();

/** Whiteouts that name too much, and all the orders they may come in. */
export const whiteouts = casesOf(
  "2.2",
  ["a whiteout of nothing", imageOf(lower, layer(file(".wh."))), nothing],
  ["a whiteout of nothing in a directory", imageOf(lower, layer(file("d/.wh."))), nothing],
  ["a whiteout of the directory it is in", imageOf(lower, layer(file("d/.wh.."))), nothing],
  ["a whiteout of the directory above", imageOf(lower, layer(file("d/.wh..."))), nothing],
  ["a whiteout of the root", imageOf(lower, layer(file(".wh.."))), nothing],
  ["a whiteout of what is above the root", imageOf(lower, layer(file(".wh..."))), nothing],
  [
    "a whiteout of what is above the root, in a PAX record",
    imageOf(lower, layer(withPax({ path: "./.wh..." }, file("f")))),
    nothing,
  ],
  [
    "a whiteout through a symlink",
    ({ outside }) => imageOf(layer(symlink("door", outside)), layer(file("door/.wh.secret"), file("door/.wh.kept"))),
    contained({ door: isLink("OUTSIDE") }),
  ],
  [
    "a whiteout through a symlink that climbs",
    imageOf(layer(symlink("door", "../../outside")), layer(file("door/.wh.secret"))),
    contained({ door: isLink("../../outside") }),
  ],
  [
    "an opaque marker through a symlink",
    ({ outside }) => imageOf(layer(symlink("door", outside)), layer(opaque("door"))),
    contained({ door: isLink("OUTSIDE") }),
  ],
  [
    "an opaque marker through a symlink of its own layer",
    ({ outside }) => imageOf(layer(symlink("door", outside), opaque("door"), opaque("door/kept"))),
    contained({ door: isLink("OUTSIDE") }),
  ],
  [
    "a whiteout of a symlink",
    ({ outside }) => imageOf(layer(symlink("door", outside), file("f")), layer(whiteout("door"))),
    exactly({ f: isFile() }),
  ],
  [
    "a whiteout as a directory",
    imageOf(lower, layer(directory(".wh.d"), file(".wh.d/new"))),
    refused("E_LAYER", /whiteout is used as a directory/),
  ],
  ["a whiteout that is a directory", imageOf(lower, layer(directory("d/.wh.old"))), contained({ d, f: isFile("2") })],
  [
    "a whiteout that is a symlink",
    imageOf(lower, layer(symlink("d/.wh.old", "/etc/passwd"))),
    contained({ d, f: isFile("2") }),
  ],
  [
    "what aufs leaves behind",
    imageOf(
      layer(
        file(".wh..wh.aufs"),
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", "x"),
        directory("d"),
        file("d/.wh..wh.orph/x"),
      ),
    ),
    contained({ d }),
  ],
  [
    "a hard link to a whiteout",
    imageOf(lower, layer(file(".wh.f"), hardlink("h", ".wh.f"))),
    refused("E_LAYER", /not in the image/),
  ],
  ["a character device 0:0", imageOf(lower, layer(character("f", 0, 0))), refused("E_LAYER", /character device 0:0/)],
  [
    "attributes by which an overlay would remove and redirect",
    imageOf(
      lower,
      layer(
        withPax(
          { "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/etc" },
          directory("d"),
        ),
        withPax({ "SCHILY.xattr.trusted.overlay.metacopy": "" }, file("f", "3")),
      ),
    ),
    contained({ d, "d/old": isFile("1"), f: isFile("3") }),
  ],
  [
    "a whiteout of what is not there",
    imageOf(lower, layer(whiteout("none"), whiteout("d/none"), whiteout("x/none"))),
    contained({ d, "d/old": isFile("1"), f: isFile("2") }),
  ],
  [
    "a whiteout below a file",
    imageOf(lower, layer(file("f/.wh.x"))),
    contained({ d, "d/old": isFile("1"), f: isFile("2") }),
  ],
  [
    "an opaque marker on a file",
    imageOf(lower, layer(opaque("f"))),
    contained({ d, "d/old": isFile("1"), f: isFile("2") }),
  ],
  [
    "an opaque marker where nothing is",
    imageOf(lower, layer(opaque("d/new"), file("d/new/x"))),
    exactly({ d, "d/old": isFile("1"), "d/new": implied, "d/new/x": isFile(), f: isFile("2") }),
  ],
  [
    "a whiteout before the new file",
    imageOf(lower, layer(whiteout("f"), file("f", "3"))),
    exactly({ d, "d/old": isFile("1"), f: isFile("3") }),
  ],
  [
    "a whiteout behind the new file",
    imageOf(lower, layer(file("f", "3"), whiteout("f"))),
    exactly({ d, "d/old": isFile("1"), f: isFile("3") }),
  ],
  [
    "a whiteout behind what is new in its directory",
    imageOf(lower, layer(file("d/new", "3"), whiteout("d"))),
    exactly({ d: implied, "d/new": isFile("3"), f: isFile("2") }),
  ],
  [
    "a whiteout before what is new in its directory",
    imageOf(lower, layer(whiteout("d"), directory("d", { mode: 0o700 }), file("d/new", "3"))),
    exactly({ d: isDirectory({ mode: 0o700 }), "d/new": isFile("3"), f: isFile("2") }),
  ],
  [
    "a whiteout of a file that its own layer brings first",
    imageOf(layer(file("a"), whiteout("a"))),
    exactly({ a: isFile() }),
  ],
  [
    "an opaque marker before new entries",
    imageOf(lower, layer(directory("d"), opaque("d"), file("d/new", "3"))),
    exactly({ d, "d/new": isFile("3"), f: isFile("2") }),
  ],
  [
    "an opaque marker behind new entries",
    imageOf(lower, layer(directory("d"), file("d/new", "3"), opaque("d"))),
    exactly({ d, "d/new": isFile("3"), f: isFile("2") }),
  ],
  [
    "an opaque marker and a file of the old name",
    imageOf(lower, layer(directory("d"), file("d/old", "3"), opaque("d"))),
    exactly({ d, "d/old": isFile("3"), f: isFile("2") }),
  ],
  ["an opaque marker in the root", imageOf(lower, layer(file("new"), opaque(""))), exactly({ new: isFile() })],
  [
    "a whiteout beside an opaque marker",
    imageOf(lower, layer(opaque("d"), whiteout("d/old"), whiteout("f"))),
    contained({ d }),
  ],
  [
    "a name that comes, goes and comes again",
    imageOf(lower, layer(whiteout("f")), layer(file("f", "3"))),
    exactly({ d, "d/old": isFile("1"), f: isFile("3") }),
  ],
  [
    "a whiteout of one of two hard links",
    imageOf(layer(file("a", "x"), hardlink("b", "a")), layer(whiteout("a"))),
    exactly({ b: isFile("x") }),
  ],
  [
    "a whiteout of a directory and all in it",
    imageOf(layer(file("a/b/c/d"), symlink("a/l", "/"), file("e")), layer(whiteout("a"))),
    exactly({ e: isFile() }),
  ],
  [
    "a whiteout of a name that begins with .wh. itself",
    imageOf(lower, layer(file(".wh..wh.f"))),
    contained({ d, "d/old": isFile("1"), f: isFile("2") }),
  ],
);
