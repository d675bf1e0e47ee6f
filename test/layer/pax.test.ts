import { describe, expect, it } from "vitest";
import { gnuLong, paxHeader, paxRecord, tarArchive, tarEntry, tarHeader } from "../bed/tar-writer.ts";
import { onlyOne, type ReadEntry, readTar } from "./read.ts";

const refused = expect.objectContaining({ code: "E_LAYER" });

function readWith(records: readonly (readonly [string, string])[], content = ""): ReadEntry {
  return onlyOne(readTar(tarArchive(paxHeader(records), tarEntry({ name: "own", size: content.length }, content))));
}

function readRaw(body: string): () => readonly ReadEntry[] {
  return () => readTar(tarArchive(tarEntry({ type: "x" }, body), tarEntry({ name: "own" })));
}

describe("a PAX record", () => {
  it("gives the next entry its path and target, and no entry after it", () => {
    const records = [
      ["path", "a/very long name\n"],
      ["linkpath", "to = here"],
    ] as const;
    const link = tarEntry({ type: "2", name: "short", linkTarget: "short" });
    const entries = readTar(tarArchive(paxHeader(records), link, link));
    expect(entries.map(({ entry }) => [entry.path, entry.linkTarget])).toEqual([
      ["a/very long name\n", "to = here"],
      ["short", "short"],
    ]);
  });

  it("gives the size, over the header's own", () => {
    const extended = paxHeader([["size", "5"]]);
    const { entry, content } = onlyOne(readTar(tarArchive(extended, tarEntry({ size: 0 }, "12345"))));
    expect([entry.size, content]).toEqual([5, "12345"]);
    const hidden = tarArchive(extended, tarEntry({ size: 1024 }, "12345"), tarEntry({ name: "next" }));
    expect(readTar(hidden).map((read) => read.entry.path)).toEqual(["file", "next"]);
  });

  it("gives owners, over the header's own", () => {
    expect(
      readWith([
        ["uid", "4294967294"],
        ["gid", "70000"],
      ]).entry.attributes,
    ).toMatchObject({ uid: 4294967294, gid: 70000 });
  });

  it.each([
    ["1700000000", 1_700_000_000],
    ["1700000000.25", 1_700_000_000.25],
    ["0.", 0],
    ["-1.5", -1.5],
    ["-0.25", -0.25],
    ["-86400", -86_400],
    ["9007199254740991", 9_007_199_254_740_991],
    ["-9007199254740991", -9_007_199_254_740_991],
  ])("gives the time %s", (mtime, expected) => {
    expect(readWith([["mtime", mtime]]).entry.attributes.mtime).toBe(expected);
  });

  it("gives extended attributes, their values any bytes, sorted by name", () => {
    const records = [
      ["SCHILY.xattr.user.z", "a\0b\nc=d"],
      ["SCHILY.xattr.user.caf\xc3\xa9=x", ""],
      ["SCHILY.xattr.security.capability", "\x01\0\0\x02\xff\xfe"],
    ] as const;
    expect(readWith(records).entry.attributes.xattrs).toEqual([
      ["security.capability", "\x01\0\0\x02\xff\xfe"],
      ["user.caf\xc3\xa9", "x="],
      ["user.z", "a\0b\nc=d"],
    ]);
  });

  it("wins over a GNU long name", () => {
    const both = tarArchive(gnuLong("L", "gnu"), paxHeader([["path", "pax"]]), tarEntry({}));
    expect(onlyOne(readTar(both)).entry.path).toBe("pax");
  });

  it("that comes twice counts as it stands last", () => {
    expect(
      readWith([
        ["path", "first"],
        ["path", "last"],
      ]).entry.path,
    ).toBe("last");
  });

  it("with an empty path or target takes nothing from the header", () => {
    const link = tarEntry({ type: "2", name: "own", linkTarget: "target" });
    const { entry } = onlyOne(
      readTar(
        tarArchive(
          paxHeader([
            ["path", ""],
            ["linkpath", ""],
          ]),
          link,
        ),
      ),
    );
    expect([entry.path, entry.linkTarget]).toEqual(["own", "target"]);
  });

  it.each(["__proto__", "constructor", "toString", "comment", "LIBARCHIVE.creationtime", "atime"])(
    "named %s changes nothing",
    (key) => {
      const { entry } = readWith([
        [key, "1"],
        ["mtime", "7"],
      ]);
      expect(entry).toEqual({ ...readWith([["mtime", "7"]]).entry });
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );
});

describe("a PAX header is refused", () => {
  it.each([
    ["whose length is too short", "5 path=a\n"],
    ["whose length is too long", "99 path=a\n"],
    ["whose length is one too long", "11 path=a\n"],
    ["whose length is zero", "0 path=a\n"],
    ["whose length is negative", "-10 path=a\n"],
    ["whose length is not decimal", "0xa path=a\n"],
    ["whose length is beyond 2^53", "99999999999999999999 path=a\n"],
    ["that is only a length", "3 \n"],
    ["without a length", "path=a\n"],
    ["without a newline", "10 path=ab"],
    ["without a key", "6 =ab\n"],
    ["without an equals sign", "9 pathab\n"],
    ["with a NUL in the path", paxRecord("path", "a\0b")],
    ["with a NUL in a key", paxRecord("SCHILY.xattr.user.a\0b", "v")],
    ["followed by NULs", `${paxRecord("path", "a")}\0\0`],
    ["with a negative size", paxRecord("size", "-1")],
    ["with a size beyond 2^53", paxRecord("size", "9007199254740993")],
    ["with a size of letters", paxRecord("size", "1e3")],
    ["with an empty size", paxRecord("size", "")],
    ["with owner -1", paxRecord("uid", "-1")],
    ["with owner 2^32 - 1", paxRecord("uid", "4294967295")],
    ["with group 2^32", paxRecord("gid", "4294967296")],
    ["with a fraction of an owner", paxRecord("uid", "1.5")],
    ["with a time of letters", paxRecord("mtime", "NaN")],
    ["with a time out of all bounds", paxRecord("mtime", "9".repeat(30))],
  ])("%s", (_, body) => {
    expect(readRaw(body)).toThrow(refused);
  });

  it("larger than 1 MiB, before it is read", () => {
    const header = tarHeader({ type: "x", size: 1024 * 1024 + 1 });
    const tooLarge = expect.objectContaining({ code: "E_LIMIT" });
    expect(() => readTar(header)).toThrow(tooLarge);
    expect(() => readTar(tarHeader({ type: "L", size: 1024 * 1024 + 1 }))).toThrow(tooLarge);
  });

  it("that no entry follows", () => {
    expect(() => readTar(tarArchive(paxHeader([["path", "a"]])))).toThrow(refused);
    expect(() => readTar(paxHeader([["path", "a"]]))).toThrow(refused);
    expect(() => readTar(tarArchive(gnuLong("L", "a")))).toThrow(refused);
  });
});

describe("a global header", () => {
  it("may hold a comment", () => {
    const archive = tarArchive(paxHeader([["comment", "0123abcd"]], "g"), tarEntry({ name: "own" }));
    expect(onlyOne(readTar(archive)).entry.path).toBe("own");
  });

  it.each(["path", "linkpath", "size", "uid", "gid", "mtime", "SCHILY.xattr.user.a", "GNU.sparse.name"])(
    "is refused when it sets %s",
    (key) => {
      const archive = tarArchive(paxHeader([[key, "1"]], "g"), tarEntry({ name: "own" }));
      expect(() => readTar(archive)).toThrow(refused);
    },
  );
});
