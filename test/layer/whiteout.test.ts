import { describe, expect, it } from "vitest";
import type { LayerChange } from "../../src/layer/change.ts";
import { directory, file, hardlink, opaque, symlink, treeOf, whiteout } from "./trees.ts";

type Row = readonly [name: string, layers: readonly (readonly LayerChange[])[], tree: readonly string[]];

const below = [directory("d"), file("d/x"), file("d/y"), directory("d/e"), file("d/e/z"), file("f")];

describe("68: a whiteout", () => {
  it.each<Row>([
    ["removes a file", [below, [whiteout("f")]], ["d/ 700", "d/e/ 700", "d/e/z 1", "d/x 1", "d/y 1"]],
    ["removes a directory and all below it", [below, [whiteout("d")]], ["f 1"]],
    ["removes one file of a directory", [below, [whiteout("d/x")]], ["d/ 700", "d/e/ 700", "d/e/z 1", "d/y 1", "f 1"]],
    ["of what is not there does nothing", [[file("f")], [whiteout("g"), whiteout("no/such")]], ["f 1"]],
    ["below a file does nothing", [[file("f")], [whiteout("f/g"), opaque("f")]], ["f 1"]],
    ["removes a symlink, not what it names", [[file("f"), symlink("l", "f")], [whiteout("l")]], ["f 1"]],
    ["then the name again: the new one stays", [[file("f", "1")], [whiteout("f"), file("f", "2")]], ["f 2"]],
    [
      "behind the name of its own layer: the new one stays",
      [[file("f", "1")], [file("f", "2"), whiteout("f")]],
      ["f 2"],
    ],
    [
      "in the lowest layer hides nothing of it",
      [[file("f"), whiteout("f"), file("d/x"), opaque("d")]],
      ["d/ 755", "d/x 1", "f 1"],
    ],
    [
      "of a directory that comes again empties it first",
      [below, [directory("d", 0o711), file("d/new"), whiteout("d")]],
      ["d/ 711", "d/new 1", "f 1"],
    ],
    ["acts on all layers below", [[file("a")], [file("b")], [whiteout("a"), whiteout("b"), file("c")]], ["c 1"]],
    ["does not act on layers above", [[file("a", "1")], [whiteout("a")], [file("a", "3")]], ["a 3"]],
    [
      "through a symlink removes where that leads",
      [
        [...below, symlink("l", "d")],
        [whiteout("l/x"), whiteout("l/y"), whiteout("l/e")],
      ],
      ["d/ 700", "f 1", "l -> d"],
    ],
    [
      "below a directory that takes a symlink's place leaves alone where that led",
      [
        [directory("d"), file("d/x"), symlink("l", "d")],
        [directory("l"), whiteout("l/x")],
      ],
      ["d/ 700", "d/x 1", "l/ 700"],
    ],
    [
      "through a symlink out of the root stays inside",
      [[file("x"), symlink("l", "../../..")], [whiteout("l/x")]],
      ["l -> ../../.."],
    ],
    ["leaves the other names of a hard link", [[file("a"), hardlink("b", "a")], [whiteout("a")]], ["b 1"]],
  ])("%s", (_, layers, tree) => {
    expect(treeOf(...layers)).toEqual([...tree].sort());
  });

  it("acts the same wherever it stands among the whiteouts", () => {
    const lower = [directory("d"), file("d/x"), symlink("l", "d")];
    const whiteouts = [whiteout("l"), whiteout("l/x")];
    expect(treeOf(lower, whiteouts)).toEqual(["d/ 700"]);
    expect(treeOf(lower, whiteouts.reverse())).toEqual(["d/ 700"]);
  });
});

describe("68: an opaque marker", () => {
  it.each<Row>([
    ["empties a directory and keeps it", [below, [opaque("d")]], ["d/ 700", "f 1"]],
    ["of the root empties everything", [below, [opaque(""), file("n")]], ["n 1"]],
    ["before new names keeps them", [below, [opaque("d"), file("d/new")]], ["d/ 700", "d/new 1", "f 1"]],
    ["behind new names keeps them", [below, [file("d/new"), opaque("d")]], ["d/ 700", "d/new 1", "f 1"]],
    ["keeps a new file of an old name", [below, [file("d/x", "2"), opaque("d")]], ["d/ 700", "d/x 2", "f 1"]],
    ["empties below it too", [below, [opaque("d"), directory("d/e", 0o711)]], ["d/ 700", "d/e/ 711", "f 1"]],
    [
      "with its directory's entry replaces the attributes",
      [below, [directory("d", 0o711), opaque("d")]],
      ["d/ 711", "f 1"],
    ],
    ["of a directory that is not there does nothing", [[file("f")], [opaque("no/such")]], ["f 1"]],
    [
      "through a symlink empties where that leads",
      [[...below, symlink("l", "/d")], [opaque("l")]],
      ["d/ 700", "f 1", "l -> /d"],
    ],
    [
      "of a directory that takes a symlink's place leaves alone where that led",
      [
        [...below, symlink("l", "d")],
        [directory("l"), opaque("l"), file("l/n")],
      ],
      ["d/ 700", "d/e/ 700", "d/e/z 1", "d/x 1", "d/y 1", "f 1", "l/ 700", "l/n 1"],
    ],
  ])("%s", (_, layers, tree) => {
    expect(treeOf(...layers)).toEqual([...tree].sort());
  });
});
