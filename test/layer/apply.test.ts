import { describe, expect, it } from "vitest";
import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import { device, directory, fifo, file, hardlink, opaque, symlink, treeOf, whiteout } from "./trees.ts";

const refused = expect.objectContaining({ code: "E_LAYER" });

type Row = readonly [name: string, layers: readonly (readonly LayerChange[])[], tree: readonly string[]];

const makers: Readonly<Record<string, readonly [(path: string) => readonly LayerChange[], readonly string[]]>> = {
  file: [(path) => [file(path, "2")], ["x 2"]],
  symlink: [(path) => [symlink(path, "t")], ["x -> t"]],
  fifo: [(path) => [fifo(path)], ["x |"]],
  device: [(path) => [device(path)], ["x 1:3"]],
  hardlink: [(path) => [file("0"), hardlink(path, "0")], ["0 1", "x = 0"]],
  directory: [(path) => [directory(path, 0o711), file(`${path}/in`)], ["x/ 711", "x/in 1"]],
};
const pairs = Object.keys(makers).flatMap((old) => Object.keys(makers).map((now) => [old, now] as const));

describe("68: an entry over what is there", () => {
  it.each(pairs)("a %s gives way to a %s", (old, now) => {
    const [make, rows] = makers[now] ?? makers.file ?? [];
    const lower = makers[old]?.[0]("x") ?? [];
    if (make === undefined || rows === undefined) throw new Error(now);
    const stays = old === "hardlink" && now !== "hardlink" ? ["0 1"] : [];
    const expected = [...stays, ...rows].sort();
    expect(treeOf(lower, make("x"))).toEqual(expected);
    expect(treeOf([...lower, ...make("x")])).toEqual(expected);
  });

  it.each<Row>([
    [
      "keeps a directory's children and takes its attributes",
      [[directory("d", 0o700), file("d/x")], [directory("d", 0o1777)]],
      ["d/ 1777", "d/x 1"],
    ],
    [
      "replaces a symlink to a directory by the directory",
      [[directory("t"), file("t/x"), symlink("d", "t")], [directory("d", 0o711)]],
      ["d/ 711", "t/ 700", "t/x 1"],
    ],
    ["the last of a name wins", [[file("a", "1"), file("a", "2"), symlink("a", "t"), file("a", "3")]], ["a 3"]],
    [
      "the last of two directories wins, with the children of both",
      [[directory("d", 0o700), file("d/x"), directory("d", 0o711)]],
      ["d/ 711", "d/x 1"],
    ],
    [
      "breaks a hard link instead of changing its other names",
      [[file("a", "1"), hardlink("b", "a")], [file("a", "2")]],
      ["a 2", "b 1"],
    ],
    ["makes parents without an entry 0755", [[file("a/b/c")]], ["a/ 755", "a/b/ 755", "a/b/c 1"]],
    [
      "an entry behind its content still gives a directory its attributes",
      [[file("a/c"), directory("a", 0o711)]],
      ["a/ 711", "a/c 1"],
    ],
    ["below a file replaces that by a directory", [[file("a")], [file("a/b")]], ["a/ 755", "a/b 1"]],
    ["below a fifo replaces that by a directory", [[fifo("a")], [directory("a/b")]], ["a/ 755", "a/b/ 700"]],
    ["below a file of its own layer replaces that", [[file("a"), file("a/b")]], ["a/ 755", "a/b 1"]],
    [
      "names are bytes, never normalised",
      [[file("caf\xc3\xa9"), file("cafe\xcc\x81"), file("CAF\xc3\xa9")]],
      ["CAF\xc3\xa9 1", "cafe\xcc\x81 1", "caf\xc3\xa9 1"],
    ],
    [
      "names of JavaScript are names",
      [[file("__proto__"), file("constructor/x")]],
      ["__proto__ 1", "constructor/ 755", "constructor/x 1"],
    ],
  ])("%s", (_, layers, tree) => {
    expect(treeOf(...layers)).toEqual([...tree].sort());
  });

  it("gives a directory without an entry owner 0:0, and one with an entry its whole attributes", () => {
    const first = { uid: 1, gid: 2, mode: 0o700, mtime: 3, xattrs: [["user.a", "1"]] } as const;
    const second = { uid: 4, gid: 5, mode: 0o711, mtime: 6, xattrs: [] } as const;
    const root = foldLayers([
      [file("a/b"), { kind: "directory", path: "d", attributes: first }],
      [{ kind: "directory", path: "d", attributes: second }],
      [{ kind: "directory", path: "", attributes: first }],
    ]);
    expect(root.attributes).toEqual(first);
    expect(root.children.get("d")?.attributes).toEqual(second);
    expect(root.children.get("a")?.attributes).toMatchObject({ uid: 0, gid: 0, mode: 0o755, xattrs: [] });
  });
});

describe("68: a parent that is a symlink", () => {
  const target = [directory("usr/lib"), file("usr/lib/old")];
  const rows = ["usr/ 755", "usr/lib/ 700", "usr/lib/new 1", "usr/lib/old 1"];

  it.each<Row>([
    ["relative", [[...target, symlink("lib", "usr/lib")], [file("lib/new")]], ["lib -> usr/lib", ...rows]],
    ["absolute", [[...target, symlink("lib", "/usr/lib")], [file("lib/new")]], ["lib -> /usr/lib", ...rows]],
    ["of its own layer", [[...target, symlink("lib", "usr/lib"), file("lib/new")]], ["lib -> usr/lib", ...rows]],
    [
      "climbing beyond the root",
      [[...target, symlink("lib", "../../../../usr/lib")], [file("lib/new")]],
      ["lib -> ../../../../usr/lib", ...rows],
    ],
    [
      "climbing within",
      [[...target, symlink("usr/l", "../usr/./lib//")], [file("usr/l/new")]],
      ["usr/l -> ../usr/./lib//", ...rows],
    ],
    [
      "one of a chain",
      [[...target, symlink("a", "b"), symlink("b", "/c"), symlink("c", "usr/lib")], [file("a/new")]],
      ["a -> b", "b -> /c", "c -> usr/lib", ...rows],
    ],
    [
      "dangling is given its directory",
      [[symlink("l", "/no/such")], [file("l/new")]],
      ["l -> /no/such", "no/ 755", "no/such/ 755", "no/such/new 1"],
    ],
    ["to the root", [[symlink("l", "/")], [file("l/new")]], ["l -> /", "new 1"]],
    ["to what lies above the root", [[symlink("l", "../..")], [file("l/new")]], ["l -> ../..", "new 1"]],
    ["to a file, which gives way", [[file("f"), symlink("l", "f")], [file("l/new")]], ["f/ 755", "f/new 1", "l -> f"]],
  ])("%s leads inside the root", (_, layers, tree) => {
    expect(treeOf(...layers)).toEqual([...tree].sort());
  });

  it("is not followed as the last part: a file of its name replaces it", () => {
    expect(treeOf([file("t", "1"), symlink("l", "t")], [file("l", "2")])).toEqual(["l 2", "t 1"]);
  });

  it.each<[string, readonly LayerChange[]]>([
    ["on itself", [symlink("l", "l"), file("l/x")]],
    ["of two", [symlink("a", "b"), symlink("b", "a"), file("a/x")]],
    ["that grows", [symlink("l", "l/l"), file("l/x")]],
    ["under a hard link's target", [symlink("l", "l"), hardlink("h", "l/x")]],
  ])("in a loop %s is refused", (_, changes) => {
    expect(() => treeOf(changes)).toThrow(refused);
  });

  it("in a loop is refused under a whiteout", () => {
    expect(() => treeOf([symlink("l", "l")], [whiteout("l/x")])).toThrow(refused);
    expect(() => treeOf([symlink("l", "l")], [opaque("l")])).toThrow(refused);
  });

  it.each([
    ["a whiteout", ".wh.a"],
    ["the remains of aufs", "b/.wh..wh.plnk"],
    ["a name of 256 bytes", "a".repeat(256)],
  ])("that leads to %s, where nothing is, is refused", (_, target) => {
    expect(() => foldLayers([[symlink("l", target), file("l/x")]])).toThrow(refused);
  });

  it("that leads to a name of 255 bytes is followed", () => {
    const name = "a".repeat(255);
    expect(treeOf([symlink("l", name), file("l/x")])).toContain(`${name}/x 1`);
  });

  it("of 40 links is followed, of 41 not", () => {
    const chain = (length: number): LayerChange[] =>
      Array.from({ length }, (_, at) => symlink(`l${at}`, at + 1 === length ? "t" : `l${at + 1}`));
    expect(treeOf(chain(40), [file("l0/x")])).toContain("t/x 1");
    expect(() => treeOf(chain(41), [file("l0/x")])).toThrow(refused);
  });
});

describe("68: a hard link", () => {
  it.each<Row>([
    ["shares the node of its target", [[file("a"), hardlink("b", "a"), hardlink("c", "b")]], ["a 1", "b = a", "c = a"]],
    ["reaches into a lower layer", [[file("a")], [hardlink("b", "a")]], ["a 1", "b = a"]],
    ["links a symlink itself", [[file("t"), symlink("a", "t"), hardlink("b", "a")]], ["a -> t", "b = a", "t 1"]],
    [
      "links a fifo and a device",
      [[fifo("p"), device("n"), hardlink("q", "p"), hardlink("o", "n")]],
      ["n 1:3", "o = n", "p |", "q = p"],
    ],
    [
      "finds its target through symlinked parents, inside the root",
      [[file("d/a"), symlink("l", "/../d"), hardlink("b", "l/a")]],
      ["b 1", "d/ 755", "d/a = b", "l -> /../d"],
    ],
    [
      "replaces what was there",
      [[file("a", "1"), directory("b"), file("b/x")], [hardlink("b", "a")]],
      ["a 1", "b = a"],
    ],
    ["to itself changes nothing", [[file("a")], [hardlink("a", "a")]], ["a 1"]],
    [
      "links what its target is now, not what it becomes",
      [[file("a", "1"), hardlink("b", "a"), file("a", "2")]],
      ["a 2", "b 1"],
    ],
    [
      "finds a target that its own layer has brought back",
      [[file("a", "1")], [whiteout("a"), file("a", "2"), hardlink("b", "a")]],
      ["a 2", "b = a"],
    ],
  ])("%s", (_, layers, tree) => {
    expect(treeOf(...layers)).toEqual([...tree].sort());
  });

  it.each<[string, readonly (readonly LayerChange[])[]]>([
    ["to a directory", [[directory("d"), hardlink("b", "d")]]],
    ["to the root", [[hardlink("b", "")]]],
    ["to nothing", [[hardlink("b", "a")]]],
    ["to what comes later", [[hardlink("b", "a"), file("a")]]],
    ["to what its own layer removes", [[file("a")], [whiteout("a"), hardlink("b", "a")]]],
    ["below its own target", [[file("a")], [hardlink("a/b", "a")]]],
    ["in the root's place", [[file("a"), hardlink("", "a")]]],
  ])("%s is refused", (_, layers) => {
    expect(() => treeOf(...layers)).toThrow(refused);
  });
});

describe("the root", () => {
  it("cannot be replaced, through a symlink either", () => {
    expect(() => treeOf([file("")])).toThrow(refused);
    expect(treeOf([symlink("l", "/")], [file("l", "2")])).toEqual(["l 2"]);
  });

  it("cannot be removed by a whiteout", () => {
    expect(treeOf([file("a")], [whiteout("")])).toEqual(["a 1"]);
  });

  it("folds the same lists to equal trees, one never changing the other", () => {
    const lower = [directory("d", 0o700), file("d/x")];
    const layers = [lower, [opaque("d"), directory("d", 0o711)]];
    const once = foldLayers(layers);
    expect(foldLayers(layers)).toEqual(once);
    expect(treeOf(lower)).toEqual(["d/ 700", "d/x 1"]);
  });
});
