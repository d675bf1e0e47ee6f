import { base256, tarEntry, tarHeader } from "../../bed/tar-writer.ts";
import { casesOf, exactly, type HostileCase, imageOf, refused } from "../case.ts";
import { file, layer, withPax } from "../entries.ts";
import { isFile, madeAt } from "../rows.ts";

const field = (value: number): string => `${value.toString(8).padStart(11, "0")}\0`;
const map = (...pairs: readonly (readonly [number, number])[]): string =>
  pairs.map(([offset, length]) => field(offset) + field(length)).join("");
const old = (pairs: string, realSize: number | Buffer, content: string, more = "\0"): Buffer => {
  const size = typeof realSize === "number" ? field(realSize) : realSize;
  return tarEntry(
    {
      name: "s",
      type: "S",
      form: "gnu",
      mtime: madeAt,
      patches: [
        [386, pairs],
        [482, more],
        [483, size],
      ],
    },
    content,
  );
};
const pax1 = (realSize: number, text: string, packed: string): Buffer =>
  withPax(
    {
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": "s",
      "GNU.sparse.realsize": String(realSize),
    },
    file("GNUSparseFile.0/s", text.padEnd(512, "\0") + packed),
  );
const holes = (realSize: number, name: string): Buffer =>
  withPax({ "GNU.sparse.map": "", "GNU.sparse.size": String(realSize) }, file(name));
const wrong = refused("E_LAYER", /sparse map/);
const expanded = isFile(`\0\0\0\0ab\0\0cd\0\0`);

/** Files with holes: expanded, bounded, never packed bytes. */
export const sparse: readonly HostileCase[] = casesOf(
  "2.4",
  [
    "a sparse file of GNU",
    imageOf(layer(old(map([4, 2], [8, 2]), 12, "abcd"), file("f"))),
    exactly({ s: expanded, f: isFile() }),
  ],
  [
    "a sparse file of PAX 1.0",
    imageOf(layer(pax1(12, "2\n4\n2\n8\n2\n", "abcd"), file("f"))),
    exactly({ s: expanded, f: isFile() }),
  ],
  [
    "a sparse file of PAX 0.1",
    imageOf(layer(withPax({ "GNU.sparse.map": "4,2,8,2", "GNU.sparse.size": "12" }, file("s", "abcd")))),
    exactly({ s: expanded }),
  ],
  [
    "a sparse file that is one hole",
    imageOf(layer(holes(100_000, "s"))),
    exactly({ s: isFile(Buffer.alloc(100_000)) }),
  ],
  ["a sparse map whose pieces overlap", imageOf(layer(old(map([4, 2], [5, 2]), 12, "abcd"))), wrong],
  ["a sparse map out of order", imageOf(layer(pax1(12, "2\n8\n2\n4\n2\n", "abcd"))), wrong],
  ["a sparse map that ends behind its file", imageOf(layer(old(map([4, 2], [11, 2]), 12, "abcd"))), wrong],
  ["a sparse map of more bytes than are stored", imageOf(layer(old(map([4, 2], [8, 3]), 12, "abcd"))), wrong],
  ["a sparse map of fewer bytes than are stored", imageOf(layer(old(map([4, 2]), 12, "abcd"))), wrong],
  [
    "a sparse map of less than nothing",
    imageOf(layer(old(map([4, 2]), base256(-12n, 12), "ab"))),
    refused("E_LAYER", /size is/),
  ],
  ["a sparse map of letters", imageOf(layer(pax1(12, "x\n", ""))), wrong],
  ["a sparse map that does not end", imageOf(layer(pax1(12, `9\n${"1\n".repeat(200)}`, ""))), wrong],
  ["a sparse map of a hundred million pieces", imageOf(layer(pax1(12, "100000000\n", ""))), wrong],
  [
    "a sparse map of an odd count",
    imageOf(layer(withPax({ "GNU.sparse.map": "4,2,8", "GNU.sparse.size": "12" }, file("s", "ab")))),
    wrong,
  ],
  [
    "a sparse map continued without end",
    imageOf(Buffer.concat([old(map([0, 0]), 12, "", "\x01").subarray(0, 512), tarHeader({})])),
    refused("E_LAYER", /ends inside an entry|not octal/),
  ],
  ["a sparse file of 2 TiB", imageOf(layer(holes(2 ** 41, "s"))), refused("E_LIMIT", /larger than/)],
  [
    "sparse files that are larger than a layer may be only together",
    {
      layers: [layer(holes(500_000, "a"), holes(500_001, "b"), holes(500_002, "c"))],
      settings: "layer_size = 1048576\n",
    },
    refused("E_LIMIT", /files of a layer have more than 1048576 bytes/),
  ],
);
