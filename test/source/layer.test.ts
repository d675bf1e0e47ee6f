import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Digest, digestOf } from "../../src/image/digest.ts";
import type { Descriptor } from "../../src/image/manifest.ts";
import { detectCompression } from "../../src/source/inflate.ts";
import { openLayer } from "../../src/source/layer.ts";
import type { ImageSource } from "../../src/source/source.ts";

type Kind = "tar" | "tar+gzip" | "tar+zstd";

const tar = randomBytes(2_500_000);
const gzip = gzipSync(tar, { level: 1 });
const zstd = zstdCompressSync(tar);

/** Reads `stored`, which the source hands out in pieces that end at `cuts`, as the layer that `claim` describes. */
async function read(
  stored: Buffer,
  kind: Kind,
  claim: { readonly of?: Buffer; readonly size?: number; readonly diffId?: Digest; readonly limit?: number } = {},
  cuts: readonly number[] = [],
): Promise<Buffer> {
  const described = claim.of ?? stored;
  const layer: Descriptor = {
    mediaType: `application/vnd.oci.image.layer.v1.${kind}`,
    digest: digestOf(described),
    size: claim.size ?? described.length,
    annotations: {},
  };
  const source: ImageSource = {
    resolve: () => Promise.reject(new Error("not asked for")),
    readTop: () => Promise.reject(new Error("not asked for")),
    readManifest: () => Promise.reject(new Error("not asked for")),
    close: async () => undefined,
    openBlob: async () =>
      (async function* () {
        let start = 0;
        for (const end of [...cuts.filter((cut) => cut < stored.length).sort((a, b) => a - b), stored.length]) {
          yield stored.subarray(start, end);
          start = end;
        }
      })(),
  };
  const pieces: Buffer[] = [];
  for await (const piece of openLayer(source, layer, claim.diffId ?? digestOf(tar), { limit: claim.limit }))
    pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("a layer", () => {
  it.each<[Kind, Buffer]>([
    ["tar", tar],
    ["tar+gzip", gzip],
    ["tar+zstd", zstd],
    ["tar+gzip", tar],
    ["tar+gzip", Buffer.concat([gzipSync(tar.subarray(0, 1000)), gzipSync(tar.subarray(1000)), gzipSync("")])],
    ["tar+gzip", Buffer.concat([gzip, Buffer.alloc(700_000)])],
    ["tar+zstd", Buffer.concat([zstdCompressSync(tar.subarray(0, 9)), zstdCompressSync(tar.subarray(9))])],
    ["tar+zstd", Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7]), zstd])],
  ])("of kind %s is read whole", async (kind, stored) => {
    expect((await read(stored, kind)).equals(tar)).toBe(true);
  });

  it("is the same however its bytes arrive", async () => {
    const members = Buffer.concat([
      gzipSync(tar.subarray(0, 700_000), { level: 1 }),
      gzipSync(tar.subarray(700_000), { level: 1 }),
    ]);
    const cuts = fc.array(fc.nat(members.length), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(cuts, async (ends) => (await read(members, "tar+gzip", {}, ends)).equals(tar)),
      { numRuns: 15 },
    );
  });

  const flipped = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(1_000_000) ^ 1, 1_000_000);
    return copy;
  };

  // The decompressor ends before these zeros: only the digest sees that the last of them is another byte.
  const zeros = (last: number): Buffer => Buffer.concat([gzip, Buffer.alloc(600_000), Buffer.of(last)]);

  it.each<[string, Kind, Buffer, Parameters<typeof read>[2], string]>([
    ["damaged on the way", "tar", flipped(tar), { of: tar }, "E_DIGEST"],
    ["damaged on the way", "tar+gzip", flipped(gzip), { of: gzip }, "E_DIGEST"],
    ["damaged on the way", "tar+zstd", flipped(zstd), { of: zstd }, "E_DIGEST"],
    ["cut off on the way", "tar+gzip", gzip.subarray(0, -9), { of: gzip }, "E_DIGEST"],
    ["longer than described", "tar+gzip", gzip, { size: gzip.length - 1 }, "E_DIGEST"],
    ["shorter than described", "tar", tar, { size: tar.length + 1 }, "E_DIGEST"],
    ["followed by zeros that were damaged", "tar+gzip", zeros(1), { of: zeros(0) }, "E_DIGEST"],
    ["stored damaged", "tar+gzip", flipped(gzip), {}, "E_LAYER"],
    ["stored cut off", "tar+gzip", gzip.subarray(0, -9), {}, "E_LAYER"],
    ["stored cut off", "tar+zstd", zstd.subarray(0, -9), {}, "E_LAYER"],
    ["followed by junk", "tar+gzip", Buffer.concat([gzip, Buffer.from("junk")]), {}, "E_LAYER"],
    ["gzip but called plain", "tar", gzip, { diffId: digestOf(gzip) }, "E_LAYER"],
    ["plain but called gzip", "tar+gzip", tar, { diffId: digestOf("other") }, "E_LAYER"],
    ["gzip but called zstd", "tar+zstd", gzip, {}, "E_LAYER"],
    ["of another diff id", "tar+gzip", gzip, { diffId: digestOf("other") }, "E_DIGEST"],
    ["of another diff id", "tar", tar, { diffId: digestOf("other") }, "E_DIGEST"],
    ["larger than the limit", "tar+zstd", zstd, { limit: tar.length - 1 }, "E_LIMIT"],
    ["larger than the limit", "tar", tar, { limit: 1 }, "E_LIMIT"],
  ])("that is %s (%s) is refused", async (_what, kind, stored, claim, code) => {
    await expect(read(stored, kind, claim)).rejects.toMatchObject({ code });
  });

  it("with a zstd window of 128 MiB is read, one with more is refused", async () => {
    const input = Buffer.alloc(1000, 7);
    const windowed = (log: number): Buffer =>
      execFileSync("zstd", ["-c", `--ultra`, `--long=${log}`, "--no-check"], { input, maxBuffer: 1e6 });
    expect(await read(windowed(27), "tar+zstd", { diffId: digestOf(input) })).toEqual(input);
    await expect(read(windowed(30), "tar+zstd", { diffId: digestOf(input) })).rejects.toMatchObject({
      code: "E_LAYER",
    });
  });

  it("that expands without bound is left at the limit", async () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024), {
      params: { [constants.ZSTD_c_compressionLevel]: 3 },
    });
    await expect(read(bomb, "tar+zstd", { limit: 1024 * 1024 })).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  it("may be left early", async () => {
    const described = {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: digestOf(gzip),
      size: gzip.length,
    };
    let closed = false;
    const source: ImageSource = {
      resolve: () => Promise.reject(new Error("not asked for")),
      readTop: () => Promise.reject(new Error("not asked for")),
      readManifest: () => Promise.reject(new Error("not asked for")),
      close: async () => undefined,
      openBlob: async () =>
        (async function* () {
          try {
            for (let at = 0; at < gzip.length; at += 65536) yield gzip.subarray(at, at + 65536);
          } finally {
            closed = true;
          }
        })(),
    };
    for await (const piece of openLayer(source, { ...described, annotations: {} }, digestOf(tar))) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await expect.poll(() => closed).toBe(true);
  });
});

it.each<[string, number[], string]>([
  ["gzip", [0x1f, 0x8b, 8, 0], "gzip"],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd], "zstd"],
  ["a skippable frame", [0x5f, 0x2a, 0x4d, 0x18], "zstd"],
  ["a tar", [0x2e, 0x2f, 0, 0], "none"],
  ["nothing", [], "none"],
])("the magic number of %s is known", (_name, bytes, expected) => {
  expect(detectCompression(Uint8Array.from(bytes))).toBe(expected);
});
