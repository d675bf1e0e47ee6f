import { hash } from "node:crypto";
import { KeelsonError } from "../../../src/errors.ts";
import { foldLayers } from "../../../src/layer/apply.ts";
import { type LayerChange, type PlannedChange, planChange } from "../../../src/layer/change.ts";
import { openTarReader } from "../../../src/layer/tar.ts";
import { formatEntry, tarEnd, tarPadding } from "../../../src/layer/tar-format.ts";
import { visitTree } from "../../../src/layer/tree.ts";
import { gnuLong, paxHeader, tarArchive, tarEntry } from "../../bed/tar-writer.ts";
import { tarMutations } from "../mutate-tar.ts";
import { expectSame } from "../same.ts";
import type { Target } from "../target.ts";

/** Bytes of all files of one input, holes included. */
const contentLimit = 64 * 1024;
const noBytes = Buffer.alloc(512);

const kinds = ["0", "1", "2", "3", "5", "6", "7", "\0"].map((type) =>
  tarEntry({ name: `n${type}`, type, linkTarget: "n0", deviceMajor: 1, mode: 0o4755 }, type === "0" ? "content" : ""),
);
const pax = paxHeader([
  ["path", "p"],
  ["mtime", "1.5"],
  ["uid", "7"],
  ["SCHILY.xattr.user.a", "\0b"],
]);
const sparse = paxHeader([
  ["GNU.sparse.map", "4,2,8,2"],
  ["GNU.sparse.size", "12"],
]);
const sparse1 = paxHeader([
  ["GNU.sparse.major", "1"],
  ["GNU.sparse.minor", "0"],
  ["GNU.sparse.realsize", "12"],
]);
const old = tarEntry(
  {
    name: "s",
    type: "S",
    form: "gnu",
    patches: [
      [386, "00000000004\x0000000000002\0"],
      [483, "00000000012\0"],
    ],
  },
  "ab",
);
const seeds: readonly Buffer[] = [
  tarArchive(...kinds),
  tarArchive(
    pax,
    tarEntry({ name: "f" }, "x".repeat(600)),
    gnuLong("L", "long/name"),
    gnuLong("K", "target"),
    tarEntry({ type: "2" }),
  ),
  tarArchive(
    tarEntry({ name: "d/.wh.a" }),
    tarEntry({ name: "d/.wh..wh..opq" }),
    tarEntry({ name: "a/b/c", form: "v7" }),
  ),
  tarArchive(
    sparse,
    tarEntry({ name: "s" }, "abcd"),
    sparse1,
    tarEntry({ name: "t" }, `${"1\n4\n2\n".padEnd(512, "\0")}ab`),
    old,
  ),
  Buffer.alloc(1024),
];

/** What of an archive is read: the changes with a hash for each content, and how it ended. */
interface Read {
  readonly changes: readonly LayerChange[];
  readonly contents: readonly Buffer[];
  readonly failure: string | undefined;
}

/** The reader of layers: any cut into pieces reads alike, what is read can be written and read again, folding is pure. */
export const tar: Target = {
  name: "tar",
  seeds,
  words: [
    "ustar\0",
    "ustar  \0",
    ".wh.",
    ".wh..wh..opq",
    "../",
    "/",
    "12 path=a\n",
    "20 SCHILY.xattr.user.a=",
    "GNU.sparse.map=0,1",
    Buffer.from("80000000", "hex"),
    Buffer.from("ffffffff", "hex"),
  ],
  mutations: tarMutations,
  mend: mendChecksums,
  run(input) {
    const whole = readArchive(input, input.length || 1);
    const pieces = readArchive(input, 61 + 16 * (input[input.length >> 1] ?? 0));
    expectSame(pieces.failure, whole.failure);
    expectSame(pieces.changes, whole.changes);
    if (whole.failure !== undefined) return;
    const again = readArchive(
      Buffer.concat([...whole.changes.map((change, at) => written(change, whole.contents[at])), tarEnd]),
      4096,
    );
    expectSame(again.failure, undefined);
    expectSame(again.changes, whole.changes);
    fold(whole.changes);
  },
};

function written(change: LayerChange, content: Buffer | undefined): Buffer {
  const bytes = change.kind === "file" ? (content ?? Buffer.alloc(0)) : Buffer.alloc(0);
  return Buffer.concat([formatEntry(change), bytes, tarPadding(bytes.length)]);
}

function fold(changes: readonly LayerChange[]): void {
  try {
    const tree = foldLayers([changes, changes]);
    visitTree(tree, (_, path) => {
      if (path.split("/").some((part) => part === "" || part === "." || part === ".." || part.startsWith(".wh.")))
        throw new Error(`the tree has ${path}`);
    });
    expectSame(foldLayers([changes, changes]), tree);
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
  }
}

function readArchive(input: Buffer, pieceSize: number): Read {
  const changes: LayerChange[] = [];
  const contents: Buffer[] = [];
  let planned: PlannedChange | undefined;
  let parts: Buffer[] = [];
  let total = 0;
  const reader = openTarReader({
    entry(entry) {
      total += entry.size;
      if (total > contentLimit) throw new KeelsonError("E_LIMIT", "too much for one input", { hint: "" });
      planned = planChange(entry);
      parts = [];
    },
    data: (chunk) => void parts.push(Buffer.from(chunk)),
    end() {
      if (planned === undefined) return;
      const content = Buffer.concat(parts);
      if (planned.kind === "file" && content.length !== planned.size) throw new Error("a file has another size");
      changes.push(stored(planned, content));
      contents.push(content);
    },
  });
  try {
    for (let at = 0; at < input.length; at += pieceSize) {
      // The reader may not keep what it is given.
      const piece = Buffer.from(input.subarray(at, at + pieceSize));
      reader.write(piece);
      piece.fill(0xee);
    }
    reader.finish();
    return { changes, contents, failure: undefined };
  } catch (error) {
    if (error instanceof KeelsonError) return { changes, contents, failure: `${error.code} ${error.message}` };
    throw error;
  }
}

function stored(planned: PlannedChange, content: Buffer): LayerChange {
  if (planned.kind !== "file" && planned.kind !== "symlink") return planned;
  return { ...planned, object: hash("sha256", content) };
}

/** Each block that may be a header gets the checksum that it has. */
function mendChecksums(input: Buffer): Buffer {
  for (let at = 0; at + 512 <= input.length; at += 512) {
    const block = input.subarray(at, at + 512);
    if (!mayBeHeader(block)) continue;
    block.fill(" ", 148, 156);
    let sum = 0;
    for (let place = 0; place < 512; place++) sum += block[place] ?? 0;
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return input;
}

/** Whether something stands in the block, and in the field of the checksum what is none or octal. */
function mayBeHeader(block: Buffer): boolean {
  for (let at = 148; at < 154; at++) {
    const byte = block[at] ?? 0;
    if (byte !== 0 && byte !== 0x20 && (byte < 0x30 || byte > 0x37)) return false;
  }
  return !block.equals(noBytes);
}
