import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { base256, type HeaderSpec, paxHeader, tarArchive, tarEntry, tarHeader } from "../bed/tar-writer.ts";
import { onlyOne, type ReadEntry, readTar } from "./read.ts";

const refused = expect.objectContaining({ code: "E_LAYER" });

/** An island of 4 KiB every 64 KiB: more than the four and 21 segments that headers of the old GNU form hold. */
function makeSparse(path: string, islands: number, size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let index = 0; index < islands; index++)
    content.fill(`island ${index} `, index * 65_536 + 8192, index * 65_536 + 12_288);
  writeFileSync(path, content);
  runProgram("fallocate", ["--dig-holes", path]);
  return content;
}

describe("a sparse file written by GNU tar", () => {
  const forms = [
    ["old GNU", ["--format=gnu"]],
    ["PAX 0.1", ["--format=posix", "--sparse-version=0.1"]],
    ["PAX 1.0", ["--format=posix", "--sparse-version=1.0"]],
  ] as const;
  const shapes = [
    ["no data at all", 0, 1_000_000],
    ["one island", 1, 300_000],
    ["four islands", 4, 4 * 65_536],
    ["60 islands and a hole at its end", 60, 60 * 65_536 + 777],
  ] as const;

  it.each(forms.flatMap(([form, options]) => shapes.map((shape) => [form, options, ...shape] as const)))(
    "in the form %s is read whole: %3$s",
    (_form, options, _shape, islands, size) => {
      const scratch = scratchDirectory();
      const content = makeSparse(join(scratch, "sparse"), islands, size);
      writeFileSync(join(scratch, "zlast"), "what follows");
      runProgram("tar", ["--sparse", ...options, "-cf", "archive.tar", "sparse", "zlast"], { cwd: scratch });
      const archive = readFileSync(join(scratch, "archive.tar"));
      expect(archive.length).toBeLessThan(size);
      const [sparse, last] = readTar(archive, [1, 513, 700, 1500, 5000, 40_000]);
      expect(sparse?.entry).toMatchObject({ kind: "file", path: "sparse", size });
      expect(Buffer.from(sparse?.content ?? "", "latin1").equals(content)).toBe(true);
      expect([last?.entry.path, last?.content]).toEqual(["zlast", "what follows"]);
    },
  );

  it("in the form PAX 0.0, whose map cannot be told from its records, is refused", () => {
    const scratch = scratchDirectory();
    makeSparse(join(scratch, "sparse"), 2, 200_000);
    runProgram("tar", ["--sparse", "--format=posix", "--sparse-version=0.0", "-cf", "archive.tar", "sparse"], {
      cwd: scratch,
    });
    expect(() => readTar(readFileSync(join(scratch, "archive.tar")))).toThrow(refused);
  });
});

type Pairs = readonly (readonly [offset: number | bigint, length: number | bigint])[];

function oldSparse(pairs: Pairs, realSize: number, stored: string, more: Partial<HeaderSpec> = {}): Buffer {
  const field = (value: number | bigint): Buffer => base256(BigInt(value), 12);
  const map = Buffer.concat(pairs.flatMap(([offset, length]) => [field(offset), field(length)]));
  const patches = [
    [386, map],
    [483, field(realSize)],
  ] as const;
  return tarEntry({ type: "S", form: "gnu", ...more, patches: [...patches, ...(more.patches ?? [])] }, stored);
}

describe("an old GNU sparse header", () => {
  it("puts each segment where its map says", () => {
    const read = onlyOne(
      readTar(
        tarArchive(
          oldSparse(
            [
              [2, 2],
              [6, 1],
              [9, 0],
            ],
            9,
            "abc",
          ),
        ),
      ),
    );
    expect([read.entry.size, read.content]).toEqual([9, "\0\0ab\0\0c\0\0"]);
  });

  it.each<[string, Pairs, number, string]>([
    [
      "segments overlap",
      [
        [0, 3],
        [2, 3],
      ],
      10,
      "abcdef",
    ],
    [
      "segments are out of order",
      [
        [6, 2],
        [0, 2],
      ],
      10,
      "abcd",
    ],
    ["a segment ends behind the file", [[8, 4]], 10, "abcd"],
    ["a segment begins behind the file", [[20, 0]], 10, ""],
    ["an offset is negative", [[-1, 2]], 10, "ab"],
    ["a length is negative", [[2, -2]], 10, ""],
    ["an offset is beyond 2^53", [[2n ** 53n, 1]], 10, "a"],
    ["the map wants more than is stored", [[0, 6]], 10, "abc"],
    ["the map wants less than is stored", [[0, 2]], 10, "abc"],
    ["the size is negative", [[0, 1]], -1, "a"],
  ])("is refused when %s", (_, pairs, realSize, stored) => {
    expect(() => readTar(tarArchive(oldSparse(pairs, realSize, stored)))).toThrow(refused);
  });

  it("is refused when a PAX size makes its map wrong", () => {
    const archive = tarArchive(paxHeader([["size", "1"]]), oldSparse([[0, 3]], 3, "abc"));
    expect(() => readTar(archive)).toThrow(refused);
  });

  it("is refused when the archive ends inside its extension blocks", () => {
    const header = oldSparse([[0, 1]], 1, "", { size: 1, patches: [[482, "\x01"]] });
    expect(() => readTar(header)).toThrow(refused);
    expect(() => readTar(Buffer.concat([header, Buffer.alloc(100)]))).toThrow(refused);
  });

  it("is refused when its extension blocks do not end", () => {
    const header = oldSparse([[0, 0]], 1, "", { patches: [[482, "\x01"]] });
    const extension = Buffer.alloc(512);
    for (let at = 0; at < 21 * 24; at += 12) base256(0n, 12).copy(extension, at);
    extension[504] = 1;
    const blocks = Array.from({ length: 6000 }, () => extension);
    expect(() => readTar(Buffer.concat([header, ...blocks]))).toThrow(refused);
  });
});

const version1 = [
  ["GNU.sparse.major", "1"],
  ["GNU.sparse.minor", "0"],
  ["GNU.sparse.name", "real"],
] as const;

function paxSparse1(map: string, realSize: string, stored = ""): () => ReadEntry {
  const data = Buffer.concat([Buffer.from(map, "latin1"), Buffer.alloc((512 - (map.length % 512)) % 512)]);
  const records = [...version1, ["GNU.sparse.realsize", realSize]] as const;
  const content = Buffer.concat([data, Buffer.from(stored)]);
  return () => onlyOne(readTar(tarArchive(paxHeader(records), tarEntry({ name: "GNUSparseFile.1/real" }, content))));
}

describe("a PAX 1.0 sparse map", () => {
  it("stands before the data, in whole blocks", () => {
    const read = paxSparse1("2\n2\n2\n6\n1\n", "9", "abc")();
    expect([read.entry.path, read.entry.size, read.content]).toEqual(["real", 9, "\0\0ab\0\0c\0\0"]);
  });

  it.each([
    ["has no numbers", "x\n1\n2\n", "9"],
    ["has a negative count", "-1\n", "9"],
    ["has fewer numbers than its count", "2\n0\n1\n", "9"],
    ["has a count beyond all bounds", "99999999\n", "9"],
    ["has no line at all", "1".repeat(600), "9"],
    ["wants more than is stored", "1\n0\n5\n", "9"],
    ["ends behind the file", "1\n8\n3\n", "9"],
    ["goes with a size of letters", "1\n0\n3\n", "x"],
  ])("is refused when it %s", (_, map, realSize) => {
    expect(paxSparse1(map, realSize, "abc")).toThrow(refused);
  });

  it("is refused without a file's size", () => {
    const archive = tarArchive(paxHeader(version1), tarEntry({}, `${"1\n0\n3\n".padEnd(512, "\0")}abc`));
    expect(() => readTar(archive)).toThrow(refused);
  });

  it("that fills its whole allowance is refused or read within two seconds", () => {
    const map = `70000\n${"123456\n0\n".repeat(70_000)}`;
    const began = process.hrtime.bigint();
    expect(paxSparse1(map, "200000")().entry.size).toBe(200_000);
    expect(Number(process.hrtime.bigint() - began) / 1e9).toBeLessThan(2);
  });
});

describe("a PAX 0.1 sparse map", () => {
  it.each([
    ["is not made of pairs", "0,1,2"],
    ["is not made of numbers", "0,x"],
    ["does not account for what is stored", "0,2"],
    ["ends behind the file", "8,3"],
  ])("is refused when it %s", (_, map) => {
    const records = [
      ["GNU.sparse.map", map],
      ["GNU.sparse.size", "9"],
      ["GNU.sparse.numblocks", "1"],
    ] as const;
    expect(() => readTar(tarArchive(paxHeader(records), tarEntry({}, "abc")))).toThrow(refused);
  });

  it("does not reach a directory or a link", () => {
    const records = [
      ["GNU.sparse.map", "0,3"],
      ["GNU.sparse.size", "9"],
    ] as const;
    const read = onlyOne(readTar(tarArchive(paxHeader(records), tarHeader({ type: "5", name: "d" }))));
    expect(read.entry).toMatchObject({ kind: "directory", path: "d", size: 0 });
  });
});
