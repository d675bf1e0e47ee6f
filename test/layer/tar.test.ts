import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { base256, endMarker, gnuLong, paxHeader, tarArchive, tarEntry, tarHeader } from "../bed/tar-writer.ts";
import { readTar } from "./read.ts";

const refused = expect.objectContaining({ code: "E_LAYER" });
const seed = 20260101;
const zeros = Buffer.alloc(512);

const everything = tarArchive(
  paxHeader([["comment", "made for a test"]], "g"),
  tarEntry({ name: "directory/", type: "5", mode: 0o755 }),
  paxHeader([
    ["path", `long/${"p".repeat(300)}`],
    ["SCHILY.xattr.user.a", "\0\n"],
    ["mtime", "-1.5"],
  ]),
  tarEntry({ name: "short" }, "x".repeat(1300)),
  gnuLong("L", "gnu/".repeat(60)),
  gnuLong("K", "target/".repeat(60)),
  tarEntry({ name: "short", type: "2", form: "gnu" }),
  tarEntry({ name: "exactly one block" }, "y".repeat(512)),
  tarEntry({ name: "empty" }),
  tarEntry(
    {
      name: "sparse",
      type: "S",
      form: "gnu",
      patches: [
        [386, base256(700n, 12)],
        [398, base256(3n, 12)],
        [483, base256(5000n, 12)],
      ],
    },
    "abc",
  ),
  paxHeader([
    ["GNU.sparse.major", "1"],
    ["GNU.sparse.minor", "0"],
    ["GNU.sparse.realsize", "2000"],
    ["GNU.sparse.name", "sparse1"],
  ]),
  tarEntry({}, `${"1\n1000\n3\n".padEnd(512, "\0")}def`),
  tarEntry({ name: "null", type: "3", deviceMajor: 1, deviceMinor: 3 }),
);

describe("the end of an archive", () => {
  const entry = tarEntry({ name: "a" }, "content");

  it.each<[string, Buffer]>([
    ["two blocks of zeros", tarArchive(entry)],
    ["one block of zeros", Buffer.concat([entry, zeros])],
    ["nothing, between two entries", entry],
    ["another entry behind the end marker", Buffer.concat([entry, endMarker, tarEntry({ name: "b" })])],
    ["damage behind the end marker", Buffer.concat([entry, endMarker, Buffer.alloc(700, "x")])],
  ])("may be %s", (_, archive) => {
    expect(readTar(archive).map((read) => [read.entry.path, read.content])).toEqual([["a", "content"]]);
  });

  it("may come at once: a layer may be empty", () => {
    expect([readTar(endMarker), readTar(Buffer.alloc(0))]).toEqual([[], []]);
  });

  it.each<[string, Buffer]>([
    ["after a lone block of zeros, an entry", Buffer.concat([entry, zeros, entry, endMarker])],
    ["after a lone block of zeros, half a block", Buffer.concat([entry, zeros, Buffer.alloc(100)])],
    ["within a header", entry.subarray(0, 300)],
    ["within content", entry.subarray(0, 515)],
    ["within the padding of content", entry.subarray(0, 1000)],
    ["before content", entry.subarray(0, 512)],
    ["within an extension header", paxHeader([["path", "a"]]).subarray(0, 515)],
    ["text instead of a header", Buffer.alloc(1024, "not a tar archive ")],
    ["random bytes instead of a header", createHash("sha512").update("seed").digest().subarray(0, 64)],
    ["damage between two entries", Buffer.concat([entry, Buffer.alloc(512, 1), entry, endMarker])],
  ])("is refused when it is, or comes, %s", (_, archive) => {
    expect(() => readTar(archive)).toThrow(refused);
  });

  it("is refused wherever an archive is cut within an entry", () => {
    const whole = readTar(everything).length;
    for (let length = 1; length < everything.length - endMarker.length; length += 37) {
      const cut = everything.subarray(0, length);
      let count: number | undefined;
      try {
        count = readTar(cut).length;
      } catch (error) {
        expect(error).toMatchObject({ code: "E_LAYER" });
      }
      if (count !== undefined) expect([length % 512, count < whole]).toEqual([0, true]);
    }
  });
});

describe("the reader", () => {
  it("gives the same entries and bytes however the archive is cut into pieces", () => {
    const whole = readTar(everything);
    expect(whole).toHaveLength(8);
    const cuts = fc.array(fc.nat(everything.length), { maxLength: 60 });
    fc.assert(
      fc.property(cuts, (at) => {
        expect(readTar(everything, at)).toEqual(whole);
      }),
      { seed, numRuns: 150 },
    );
    const everyByte = Array.from({ length: everything.length }, (_, at) => at);
    expect(readTar(everything, everyByte)).toEqual(whole);
  });

  it("refuses with E_LAYER, or reads, whatever byte of an archive is changed", () => {
    fc.assert(
      fc.property(fc.nat(everything.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(everything);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        try {
          readTar(damaged);
        } catch (error) {
          expect(error).toMatchObject({ code: "E_LAYER" });
        }
      }),
      { seed, numRuns: 1500 },
    );
  });

  it("refuses with E_LAYER, or reads, whatever number stands in a header", () => {
    const field = fc.oneof(
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.bigInt({ min: -(2n ** 88n), max: 2n ** 87n }),
    );
    const places = fc.constantFrom<readonly [number, number]>(
      [100, 8],
      [108, 8],
      [116, 8],
      [124, 12],
      [136, 12],
      [329, 8],
    );
    fc.assert(
      fc.property(places, field, fc.constantFrom("0", "5", "S", "x", "L"), ([offset, length], value, type) => {
        const bytes = typeof value === "bigint" ? base256(value, length) : Buffer.from(value).subarray(0, length);
        const archive = Buffer.concat([tarHeader({ type, patches: [[offset, bytes]] }), tarArchive(tarEntry({}))]);
        try {
          for (const { entry } of readTar(archive)) expect(entry.size).toBeGreaterThanOrEqual(0);
        } catch (error) {
          expect(error).toMatchObject({ code: "E_LAYER" });
        }
      }),
      { seed, numRuns: 1500 },
    );
  });
});

/** Writes each archive with Python's tarfile, reads it again, and says what it found: names as hex. */
const python = `
import io, json, hashlib, sys, tarfile
enc = dict(encoding="utf-8", errors="surrogateescape")
raw = lambda text: text.encode("utf-8", "surrogateescape").hex()
text = lambda hexes: bytes.fromhex(hexes).decode("utf-8", "surrogateescape")
answers = []
for number, wanted in enumerate(json.load(sys.stdin)):
    path = "%s/%d.tar" % (sys.argv[1], number)
    with tarfile.open(path, "w", format=wanted["format"], **enc) as out:
        for row in wanted["entries"]:
            info = tarfile.TarInfo(text(row["path"]))
            info.type = row["type"].encode()
            info.linkname = text(row["link"])
            info.mode, info.uid, info.gid, info.mtime = row["mode"], row["uid"], row["gid"], row["mtime"]
            info.devmajor, info.devminor = row["major"], row["minor"]
            info.size = len(row["content"]) if row["type"] in "07" else 0
            if row["xattr"]: info.pax_headers = {"SCHILY.xattr.user." + row["xattr"]: row["xattr"]}
            out.addfile(info, io.BytesIO(row["content"].encode("latin1")))
    with tarfile.open(path, **enc) as found:
        answers.append([[raw(m.name), m.type.decode(), raw(m.linkname), m.mode, m.uid, m.gid, m.mtime, m.size,
            m.devmajor if m.ischr() else 0, m.devminor if m.ischr() else 0,
            sorted([k[13:], v] for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")),
            hashlib.sha256(found.extractfile(m).read()).hexdigest() if m.isreg() else ""] for m in found])
json.dump(answers, sys.stdout)
`;

const formats = { ustar: 0, gnu: 1, pax: 2 };

function archiveOf(format: number): fc.Arbitrary<unknown> {
  const small = format === formats.ustar;
  const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f && value !== 0x2e);
  const part = fc.array(byte, { minLength: 1, maxLength: small ? 12 : 120 });
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) =>
    Buffer.from(parts.flatMap((one) => [...one, 0x2f]))
      .subarray(0, -1)
      .toString("hex"),
  );
  const owner = fc.integer({ min: 0, max: small ? 0o7777777 : 0xfffffffe });
  const time = small ? fc.nat() : fc.integer({ min: -(2 ** 31), max: 2 ** 33 });
  const entry = fc.record({
    path,
    link: path,
    type: fc.constantFrom("0", "0", "7", "1", "2", "3", "5", "6"),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: owner,
    gid: owner,
    mtime:
      format === formats.pax
        ? fc.oneof(
            time,
            time.map((seconds) => seconds + 0.25),
          )
        : time,
    major: fc.integer({ min: 1, max: 255 }),
    minor: fc.nat(255),
    content: fc.string({ maxLength: 1200, unit: "grapheme-ascii" }),
    xattr: format === formats.pax ? fc.constantFrom("", "", "note") : fc.constant(""),
  });
  return fc.record({ format: fc.constant(format), entries: fc.array(entry, { maxLength: 12 }) });
}

const typeOfKind = { file: "0", hardlink: "1", symlink: "2", character: "3", block: "4", directory: "5", fifo: "6" };

describe("an archive that Python's tarfile wrote", () => {
  it.each(Object.entries(formats))("in the form %s is read as tarfile reads it", (_, format) => {
    const scratch = scratchDirectory();
    const wanted = fc.sample(archiveOf(format), { seed, numRuns: 120 });
    const answers = JSON.parse(runProgram("python3", ["-c", python, scratch], { input: JSON.stringify(wanted) }));
    const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
    const found = wanted.map((_, number) =>
      readTar(readFileSync(`${scratch}/${number}.tar`)).map(({ entry, content }) => {
        const { mode, uid, gid, mtime, xattrs } = entry.attributes;
        const numbers = [mode, uid, gid, mtime, entry.size, entry.deviceMajor, entry.deviceMinor];
        const hash = entry.kind === "file" ? createHash("sha256").update(content, "latin1").digest("hex") : "";
        return [
          hex(entry.path.replace(/\/$/, "")),
          typeOfKind[entry.kind],
          hex(entry.linkTarget),
          ...numbers,
          xattrs,
          hash,
        ];
      }),
    );
    type Row = readonly unknown[];
    const asRead = answers.map((rows: readonly Row[]) => rows.map((row) => row.with(1, row[1] === "7" ? "0" : row[1])));
    expect(found).toEqual(asRead);
    expect(found.flat().length).toBeGreaterThan(500);
  });
});
