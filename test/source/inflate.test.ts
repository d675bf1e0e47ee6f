import { randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openInflater } from "../../src/native/inflater.ts";
import { inflate, inflateHere, inflateInPool, isCompressionError } from "../../src/source/inflate.ts";

type Compression = "gzip" | "zstd";

const compress = { gzip: gzipSync, zstd: zstdCompressSync } as const;
/** Of which libisal believes more than zlib does. */
const gzipHeaderSize = 10;
const plain = Buffer.concat([Buffer.alloc(300_000, "abc"), randomBytes(300_000), Buffer.alloc(1_500_000)]);

async function* pieces(stored: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < stored.length; at += size) yield stored.subarray(at, at + size);
}

type Inflate = (pieces: AsyncGenerator<Uint8Array>) => AsyncGenerator<Buffer>;

/** The bytes, or that they are damaged. */
async function outcomeOf(read: Inflate, stored: Buffer, size: number): Promise<Buffer | "damaged"> {
  const found: Buffer[] = [];
  try {
    for await (const piece of read(pieces(stored, size))) found.push(Buffer.from(piece));
  } catch (error) {
    if (isCompressionError(error)) return "damaged";
    throw error;
  }
  return Buffer.concat(found);
}

// With libisal on the host, gzip is expanded by that.
describe.each<[Compression, string, boolean]>([
  ["gzip", "by Node's own library", true],
  ["gzip", "by the fastest there is", false],
  ["zstd", "by Node's own library", true],
])("%s %s", (compression, _, own) => {
  const here: Inflate = (from) => {
    const inflater = openInflater(compression, 27, own);
    if (inflater === undefined) throw new Error("this Node does not show its libraries");
    return inflateHere(from, inflater, () => Buffer.allocUnsafeSlow(100_000));
  };
  const inPool: Inflate = (from) => inflateInPool(from, compression);
  const stored = compress[compression](plain);

  it("is expanded in place", () => {
    const inflater = openInflater(compression, 27, own);
    expect(inflater?.complete()).toBe(compression === "zstd");
    inflater?.close();
  });

  it("fills every buffer but the last one, and asks for the next one when it was read", async () => {
    const buffer = Buffer.alloc(65_536);
    const found: Buffer[] = [];
    for await (const piece of inflate(pieces(stored, 10_000), compression, () => buffer.fill(0))) {
      expect(piece.buffer).toBe(buffer.buffer);
      found.push(Buffer.from(piece));
    }
    expect(Buffer.concat(found).equals(plain)).toBe(true);
    expect(new Set(found.slice(0, -1).map(({ length }) => length))).toEqual(new Set([buffer.length]));
  });

  it.each([
    ["one", stored],
    ["several one after the other", Buffer.concat([stored, compress[compression](plain.subarray(0, 7)), stored])],
    ["one of nothing", compress[compression](Buffer.alloc(0))],
    ["one that breaks off", stored.subarray(0, -5)],
    ["one that breaks off in its first bytes", stored.subarray(0, 3)],
    ["one with other bytes behind it", Buffer.concat([stored, Buffer.from("behind")])],
    ["one with zeros behind it", Buffer.concat([stored, Buffer.alloc(1000)])],
    ["one with another after zeros", Buffer.concat([stored, Buffer.alloc(9), stored])],
  ])("is read as Node's streams read it: %s", async (_, bytes) => {
    for (const size of [5000, 1_000_000_000]) {
      const [mine, theirs] = [await outcomeOf(here, bytes, size), await outcomeOf(inPool, bytes, size)];
      expect(typeof mine).toBe(typeof theirs);
      expect(mine === theirs || (mine as Buffer).equals(theirs as Buffer)).toBe(true);
    }
  });

  it("with any byte changed is read as Node's streams read it", async () => {
    const small = compress[compression](Buffer.from("a layer of few bytes, a layer of few bytes"));
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: own ? 0 : gzipHeaderSize, max: small.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const bytes = Buffer.from(small);
          bytes.writeUInt8(bytes.readUInt8(at) ^ change, at);
          expect(await outcomeOf(here, bytes, 7)).toEqual(await outcomeOf(inPool, bytes, 7));
        },
      ),
      { numRuns: 200 },
    );
  });
});
