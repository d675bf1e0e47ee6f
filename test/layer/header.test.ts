import { describe, expect, it } from "vitest";
import { base256, gnuLong, type HeaderSpec, tarArchive, tarEntry, tarHeader } from "../bed/tar-writer.ts";
import { onlyOne, readOne, readTar } from "./read.ts";

const long = `${"directory/".repeat(20)}name`;

describe("the forms of a header", () => {
  it.each<[string, HeaderSpec, string]>([
    ["v7 has no prefix", { form: "v7", name: "a", prefix: "ignored" }, "a"],
    ["ustar puts the prefix before the name", { name: "b/c", prefix: "usr/a" }, "usr/a/b/c"],
    [
      "ustar takes all 155 and 100 bytes",
      { name: "n".repeat(100), prefix: "p".repeat(155) },
      `${"p".repeat(155)}/${"n".repeat(100)}`,
    ],
    ["GNU keeps times where ustar has the prefix", { form: "gnu", name: "a", patches: [[345, "14000000000\0"]] }, "a"],
    ["names are bytes", { name: "caf\xc3\xa9\xff" }, "caf\xc3\xa9\xff"],
  ])("%s", (_, spec, path) => {
    expect(readOne(spec).entry.path).toBe(path);
  });

  it("reads every number of a header", () => {
    const spec = { mode: 0o106755, uid: 1000, gid: 0o7777777, mtime: 1_700_000_000, name: "x" };
    expect(readOne(spec, "four").entry).toEqual({
      kind: "file",
      path: "x",
      linkTarget: "",
      size: 4,
      attributes: { mode: 0o6755, uid: 1000, gid: 0o7777777, mtime: 1_700_000_000, xattrs: [] },
      deviceMajor: 0,
      deviceMinor: 0,
    });
  });

  it.each<[string, string]>([
    ["0", "file"],
    ["\0", "file"],
    ["7", "file"],
    ["1", "hardlink"],
    ["2", "symlink"],
    ["3", "character"],
    ["4", "block"],
    ["5", "directory"],
    ["6", "fifo"],
  ])("type %j is a %s", (type, kind) => {
    const { entry } = readOne({ type, name: "x", linkTarget: "to", deviceMajor: 5, deviceMinor: 1 });
    expect([entry.kind, entry.linkTarget, entry.deviceMajor, entry.deviceMinor]).toEqual([kind, "to", 5, 1]);
  });

  it.each(["v7", "ustar"] as const)("a %s file whose name ends in a slash is a directory", (form) => {
    expect(readOne({ form, name: "d/", type: form === "v7" ? "\0" : "0" }).entry.kind).toBe("directory");
  });

  it.each([
    ["space before", "   1750\0"],
    ["space behind", "001750 \0"],
    ["no terminator", "00001750"],
  ])("reads an octal number with %s", (_, uid) => {
    expect(readOne({ uid }).entry.attributes.uid).toBe(0o1750);
  });

  it("reads empty number fields as zero", () => {
    expect(readOne({ uid: "", gid: "        ", mtime: "" }).entry.attributes).toMatchObject({
      uid: 0,
      gid: 0,
      mtime: 0,
    });
  });

  it.each<[string, HeaderSpec, object]>([
    ["an owner", { uid: base256(4_294_967_294n, 8) }, { uid: 4_294_967_294 }],
    ["a time", { mtime: base256(99_999_999_999n, 12) }, { mtime: 99_999_999_999 }],
    ["a time before 1970", { mtime: base256(-86_400n, 12) }, { mtime: -86_400 }],
  ])("reads %s in base 256", (_, spec, attributes) => {
    expect(readOne(spec).entry.attributes).toMatchObject(attributes);
  });

  it("reads a size in base 256", () => {
    expect(readOne({ size: base256(5n, 12) }, "12345").content).toBe("12345");
  });

  it("takes a checksum of signed bytes, which old writers made", () => {
    const block = tarHeader({ name: "\xff\xfe" });
    const signed = [...block].reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : (byte << 24) >> 24), 0);
    const header = tarHeader({ name: "\xff\xfe", checksum: signed });
    expect(onlyOne(readTar(tarArchive(header))).entry.path).toBe("\xff\xfe");
  });

  it("gives content only to files, whatever size another header claims", () => {
    for (const type of "123456") {
      const entries = readTar(
        tarArchive(tarHeader({ type, name: "x", size: 512 }), tarEntry({ name: "next" }, "data")),
      );
      expect(entries.map(({ entry, content }) => [entry.path, entry.size, content])).toEqual([
        ["x", 0, ""],
        ["next", 4, "data"],
      ]);
    }
  });
});

describe("GNU long names", () => {
  it("give the next entry its name and its target, and no entry after it", () => {
    const entries = readTar(
      tarArchive(
        gnuLong("K", `${long}/target`),
        gnuLong("L", long),
        tarEntry({ form: "gnu", type: "2", name: "short", linkTarget: "short" }),
        tarEntry({ form: "gnu", type: "2", name: "after", linkTarget: "its own" }),
      ),
    );
    expect(entries.map(({ entry }) => [entry.path, entry.linkTarget])).toEqual([
      [long, `${long}/target`],
      ["after", "its own"],
    ]);
  });

  it("end at a NUL, if there is one", () => {
    const unterminated = tarEntry({ type: "L", form: "gnu" }, "name");
    const padded = tarEntry({ type: "L", form: "gnu" }, "name\0rest\0");
    for (const extension of [unterminated, padded])
      expect(onlyOne(readTar(tarArchive(extension, tarEntry({})))).entry.path).toBe("name");
  });

  it("that are empty leave the header's own", () => {
    expect(onlyOne(readTar(tarArchive(gnuLong("L", ""), tarEntry({ name: "own", type: "5" })))).entry.path).toBe("own");
  });
});

describe("a header is refused", () => {
  it.each<[string, HeaderSpec]>([
    ["with a wrong checksum", { checksum: 1 }],
    ["with no checksum", { checksum: "" }],
    ["with letters in a size", { size: "abc" }],
    ["with digits that are not octal", { size: "00000000008" }],
    ["with a sign in a size", { size: "-0000000001" }],
    ["with a negative size", { size: base256(-1n, 12) }],
    ["with a size of 2^53", { size: base256(2n ** 53n, 12) }],
    ["with a size of 2^63", { size: base256(2n ** 63n, 12) }],
    ["with a size of 2^64 + 1", { size: base256(2n ** 64n + 1n, 12) }],
    ["with a number that is neither octal nor base 256", { size: Buffer.from("c00000000000000000000001", "hex") }],
    ["with letters in a mode", { mode: "rwxr-xr" }],
    ["with letters in a time", { mtime: "yesterday" }],
    ["with owner -1", { uid: base256(-1n, 8) }],
    ["with group -1", { gid: base256(-1n, 8) }],
    ["with owner 2^32 - 1", { uid: base256(2n ** 32n - 1n, 8) }],
    ["with group 2^32", { gid: base256(2n ** 32n, 8) }],
    ["with owner 2^32 + 7", { uid: base256(2n ** 32n + 7n, 8) }],
    ["with a directory's name and a file's content", { name: "d/", size: 512 }],
    ["of an unknown type", { type: "Q" }],
    ["of type V, a volume label", { type: "V" }],
    ["of type M, a file continued", { type: "M" }],
    ["of type D, a directory with its names", { type: "D" }],
    ["of type N, an old long name", { type: "N" }],
  ])("%s", (_, spec) => {
    const archive = tarArchive(tarHeader(spec), Buffer.alloc(512));
    expect(() => readTar(archive)).toThrow(expect.objectContaining({ code: "E_LAYER" }));
  });
});
