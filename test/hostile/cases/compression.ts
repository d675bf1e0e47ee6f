import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { casesOf, exactly, imageOf, type LayerBlob, refused } from "../case.ts";
import { file, layer } from "../entries.ts";
import { isFile } from "../rows.ts";

const tar = layer(file("f", "x".repeat(5000)));
const right = exactly({ f: isFile("x".repeat(5000)) });
const [head, tail] = [tar.subarray(0, 1000), tar.subarray(1000)];
const zstdType = "application/vnd.oci.image.layer.v1.tar+zstd";
const plainType = "application/vnd.oci.image.layer.v1.tar";
const unsound = refused("E_LAYER", /not sound (?:gzip|zstd) data/);
const gz = (blob: Buffer, of: Buffer = tar): LayerBlob => ({ blob, tar: of });
const zst = (blob: Buffer, of: Buffer = tar): LayerBlob => ({ blob, tar: of, mediaType: zstdType });
const typed = (mediaType: string, blob: Buffer): LayerBlob => ({ blob, tar, mediaType });
const zeros = layer(file("zeros", Buffer.alloc(32 * 1024 * 1024)));
const small = "layer_size = 1048576\n";

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 0x55;
  return copy;
}

/** One member with FNAME and FCOMMENT. */
function wordy(bytes: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from("1f8b08180000000000036e616d6500636f6d6d656e7400", "hex"),
    gzipSync(bytes).subarray(10),
  ]);
}

/** One member with FEXTRA. */
function extra(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from("1f8b080400000000000304006b656579", "hex"), gzipSync(bytes).subarray(10)]);
}

function skippable(size: number): Buffer {
  const frame = Buffer.alloc(8 + size, 0xaa);
  frame.writeUInt32LE(0x184d2a50, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

/** A frame that asks for a window of 2^(10 + exponent) bytes and holds `bytes` as they are. */
function wideFrame(exponent: number, bytes: Buffer): Buffer {
  const block = Buffer.alloc(3);
  block.writeUIntLE((bytes.length << 3) | 1, 0, 3);
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3]), block, bytes]);
}

/** Layers that do not expand, or to too much, and odd ones that have to. */
export const compression = casesOf(
  "2.5",
  [
    "32 MiB of zeros in 32 KiB",
    { layers: [gz(gzipSync(zeros), zeros)], settings: small },
    refused("E_LIMIT", /more than 1048576 bytes|larger than 1048576 bytes/),
  ],
  [
    "32 MiB of zeros in 3 KiB of zstd",
    { layers: [zst(zstdCompressSync(zeros), zeros)], settings: small },
    refused("E_LIMIT", /more than 1048576 bytes|larger than 1048576 bytes/),
  ],
  [
    "5,000 empty files",
    { layers: [layer(...Array.from({ length: 5000 }, (_, at) => file(`f${at}`)))], settings: "layer_entries = 1000\n" },
    refused("E_LIMIT", /more than 1000 entries/),
  ],
  ["gzip cut short", imageOf(gz(gzipSync(tar).subarray(0, -20))), unsound],
  ["gzip without its trailer", imageOf(gz(gzipSync(tar).subarray(0, -8))), unsound],
  ["gzip of a wrong sum", imageOf(gz(changed(gzipSync(tar), -6))), unsound],
  ["gzip of a wrong length", imageOf(gz(changed(gzipSync(tar), -2))), unsound],
  ["gzip damaged within", imageOf(gz(changed(gzipSync(tar), 14))), refused("E_LAYER", /not sound|damaged/)],
  ["noise behind gzip", imageOf(gz(Buffer.concat([gzipSync(tar), Buffer.from("noise")]))), unsound],
  ["zeros behind gzip", imageOf(gz(Buffer.concat([gzipSync(tar), Buffer.alloc(1000)]))), right],
  ["gzip in two members", imageOf(gz(Buffer.concat([gzipSync(head), gzipSync(tail)]))), right],
  ["gzip in a hundred members, some empty", imageOf(gz(Buffer.concat(members(100)))), right],
  ["gzip whose last member is empty", imageOf(gz(Buffer.concat([gzipSync(tar), gzipSync("")]))), right],
  ["gzip with a name and a comment", imageOf(gz(wordy(tar))), right],
  ["gzip with an extra field", imageOf(gz(extra(tar))), right],
  ["gzip that stores", imageOf(gz(gzipSync(tar, { level: 0 }))), right],
  ["a second member cut short", imageOf(gz(Buffer.concat([gzipSync(head), gzipSync(tail).subarray(0, -9)]))), unsound],
  ["zstd", imageOf(zst(zstdCompressSync(tar))), right],
  [
    "zstd in two frames with something to skip between",
    imageOf(
      zst(Buffer.concat([skippable(40), zstdCompressSync(head), skippable(0), zstdCompressSync(tail), skippable(9)])),
    ),
    right,
  ],
  ["zstd cut short", imageOf(zst(zstdCompressSync(tar).subarray(0, -5))), unsound],
  ["zstd with a window of 128 MiB", imageOf(zst(wideFrame(17, tar))), right],
  ["zstd with a window of 2 GiB", imageOf(zst(wideFrame(21, tar))), unsound],
  ["zstd with a window of a terabyte", imageOf(zst(wideFrame(30, tar))), unsound],
  ["gzip that is compressed again", imageOf(gz(gzipSync(gzipSync(tar)), gzipSync(tar))), refused("E_LAYER", /damaged/)],
  ["gzip that is called plain", imageOf(typed(plainType, gzipSync(tar))), refused("E_DIGEST", /names/)],
  ["gzip that is called zstd", imageOf(typed(zstdType, gzipSync(tar))), refused("E_LAYER", /its compression is gzip/)],
  ["zstd that is called gzip", imageOf(gz(zstdCompressSync(tar))), refused("E_LAYER", /its compression is zstd/)],
  ["raw deflate that is called gzip", imageOf(gz(deflateRawSync(tar))), refused("E_LAYER", /its compression is none/)],
  [
    "xz that is called gzip",
    imageOf(gz(Buffer.from("fd377a585a000004e6d6b446", "hex"))),
    refused("E_LAYER", /its compression is none/),
  ],
  [
    "xz that says so",
    imageOf(typed(`${plainType}+xz`, Buffer.from("fd377a585a000004e6d6b446", "hex"))),
    refused("E_MANIFEST", /not a layer that keelson can unpack/),
  ],
  ["a plain layer", imageOf(typed(plainType, tar)), right],
  ["a layer of Docker", imageOf(typed("application/vnd.docker.image.rootfs.diff.tar.gzip", gzipSync(tar))), right],
  [
    "a layer that may not be distributed",
    imageOf(typed("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", gzipSync(tar))),
    right,
  ],
);

function members(count: number): readonly Buffer[] {
  const size = Math.ceil(tar.length / (count / 2));
  return Array.from({ length: count }, (_, at) =>
    gzipSync(at % 2 === 0 ? tar.subarray((at / 2) * size, (at / 2 + 1) * size) : ""),
  );
}
