import { casesOf, contained, exactly, imageOf, refused } from "../case.ts";
import { directory, file, hardlink, layer, symlink, whiteout, withPax } from "../entries.ts";
import { implied, isDirectory, isFile, isLink, isSameAs } from "../rows.ts";

const notThere = refused("E_LAYER", /which is not in the image/);
const door = isLink("OUTSIDE");
/** What is written through a link lands inside the root, where the link leads to there. */
const through = { door, OUTSIDE: implied, "OUTSIDE/new": isFile("x") };

/** Links that lead out of the root. */
export const links = casesOf(
  "2.1",
  [
    "a file through a symlink of its own layer",
    ({ outside }) => imageOf(layer(symlink("door", outside), file("door/new", "x"))),
    contained(through),
  ],
  [
    "a file through a symlink of the layer below",
    ({ outside }) => imageOf(layer(symlink("door", outside)), layer(file("door/new", "x"))),
    contained(through),
  ],
  [
    "a file that is there, through a symlink",
    ({ outside }) =>
      imageOf(layer(symlink("door", outside)), layer(file("door/secret", "x"), file("door/kept/file", "x"))),
    contained({
      door,
      OUTSIDE: implied,
      "OUTSIDE/secret": isFile("x"),
      "OUTSIDE/kept": implied,
      "OUTSIDE/kept/file": isFile("x"),
    }),
  ],
  [
    "a file through a chain of symlinks",
    ({ outside }) =>
      imageOf(layer(symlink("a", "b"), symlink("b", "door"), symlink("door", outside)), layer(file("a/new", "x"))),
    contained({ ...through, a: isLink("b"), b: isLink("door") }),
  ],
  [
    "a file through a symlink that climbs",
    ({ outside }) =>
      imageOf(layer(symlink("door", `${"../".repeat(12)}${outside.slice(1)}`)), layer(file("door/new", "x"))),
    contained({ ...through, door: isLink(`${"../".repeat(11)}..OUTSIDE`) }),
  ],
  [
    "a file through a symlink to what is not there",
    ({ outside }) => imageOf(layer(symlink("door", `${outside}/none`)), layer(file("door/new", "x"))),
    contained({
      door: isLink("OUTSIDE/none"),
      OUTSIDE: implied,
      "OUTSIDE/none": implied,
      "OUTSIDE/none/new": isFile("x"),
    }),
  ],
  [
    "a directory, a link and a fifo through a symlink",
    ({ outside }) =>
      imageOf(
        layer(symlink("door", outside)),
        layer(directory("door/d"), symlink("door/l", "x"), file("door/p", "", { type: "6" })),
      ),
    contained({
      door,
      OUTSIDE: implied,
      "OUTSIDE/d": isDirectory(),
      "OUTSIDE/l": isLink("x"),
      "OUTSIDE/p": "fifo 644 0:0 @1000000000",
    }),
  ],
  [
    "a file in place of a symlink to a file",
    ({ outside }) => imageOf(layer(symlink("door", `${outside}/secret`), file("door", "mine"))),
    exactly({ door: isFile("mine") }),
  ],
  [
    "a file in place of a symlink of the layer below",
    ({ outside }) => imageOf(layer(symlink("door", `${outside}/secret`)), layer(file("door", "mine", { mode: 0o777 }))),
    exactly({ door: isFile("mine", { mode: 0o777 }) }),
  ],
  [
    "a file in place of a dangling symlink",
    ({ outside }) => imageOf(layer(symlink("door", `${outside}/new`)), layer(file("door", "mine"))),
    exactly({ door: isFile("mine") }),
  ],
  [
    "a directory in place of a symlink to one",
    ({ outside }) =>
      imageOf(layer(symlink("door", outside)), layer(directory("door", { mode: 0o777 }), file("door/new", "x"))),
    exactly({ door: isDirectory({ mode: 0o777 }), "door/new": isFile("x") }),
  ],
  [
    "a directory that becomes a symlink before it is written to",
    ({ outside }) =>
      imageOf(layer(directory("door"), file("door/old"), symlink("door", outside), file("door/new", "x"))),
    contained(through),
  ],
  [
    "a directory that becomes a symlink under another spelling",
    ({ outside }) =>
      imageOf(layer(directory("door/"), file("door/./old"), symlink("./door", outside), file("door//new", "x"))),
    contained(through),
  ],
  [
    "a directory removed by a whiteout and made a symlink",
    ({ outside }) =>
      imageOf(
        layer(directory("door"), file("door/old")),
        layer(whiteout("door"), symlink("door", outside), file("door/new", "x")),
      ),
    contained(through),
  ],
  [
    "a file through a hard link of a symlink",
    ({ outside }) => imageOf(layer(symlink("door", outside), hardlink("other", "door"), file("other/new", "x"))),
    contained({ ...through, other: isSameAs("door") }),
  ],
  [
    "the mode of a hard link of a symlink",
    ({ outside }) =>
      imageOf(
        layer(symlink("door", `${outside}/secret`), file("other", "", { type: "1", linkTarget: "door", mode: 0o4777 })),
      ),
    exactly({ door: isLink("OUTSIDE/secret"), other: isSameAs("door") }),
  ],
  [
    "owner and time of a symlink are its own",
    ({ outside }) => imageOf(layer(symlink("door", `${outside}/secret`, { uid: 7, gid: 8, mtime: 5, mode: 0o4777 }))),
    exactly({ door: isLink("OUTSIDE/secret", { uid: 7, gid: 8, mtime: 5 }) }),
  ],
  ["a hard link to a file of the host", ({ outside }) => imageOf(layer(hardlink("h", `${outside}/secret`))), notThere],
  ["a hard link that climbs", imageOf(layer(hardlink("h", "../../outside/secret"))), refused("E_LAYER", /climbs/)],
  [
    "a hard link to a file of the host through a symlink",
    ({ outside }) => imageOf(layer(symlink("door", outside), hardlink("h", "door/secret"))),
    notThere,
  ],
  [
    "a hard link through a symlink, and then its content",
    ({ outside }) => imageOf(layer(symlink("door", `${outside}/secret`), hardlink("h", "door"), file("h", "mine"))),
    exactly({ door: isLink("OUTSIDE/secret"), h: isFile("mine") }),
  ],
  [
    "a hard link that climbs in a PAX record",
    imageOf(layer(withPax({ linkpath: "/../secret" }, hardlink("h", "f")))),
    refused("E_LAYER", /climbs/),
  ],
  ["a hard link to itself", imageOf(layer(hardlink("h", "h"))), notThere],
  ["a hard link to what comes later", imageOf(layer(hardlink("h", "f"), file("f"))), notThere],
  ["a hard link to a directory", imageOf(layer(directory("d"), hardlink("h", "d"))), refused("E_LAYER", /directory/)],
  ["a hard link to the root", imageOf(layer(hardlink("h", "/"))), refused("E_LAYER", /directory/)],
  [
    "symlinks in a circle as parents",
    imageOf(layer(symlink("a", "b"), symlink("b", "a"), file("a/f"))),
    refused("E_LAYER", /symlinks/),
  ],
  [
    "a target that is no text is kept to the byte",
    { layers: [layer(symlink("d", "\xff\n"))], ostree: false },
    exactly({ d: isLink("\xff\n") }),
  ],
  [
    "targets that lead out are kept to the byte",
    imageOf(layer(symlink("a", "/etc/shadow"), symlink("b", "../../../x"), symlink("c", "a//./b/"))),
    exactly({ a: isLink("/etc/shadow"), b: isLink("../../../x"), c: isLink("a//./b/") }),
  ],
);
