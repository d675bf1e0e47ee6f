import { base256, gnuLong, paxHeader, paxRecord, tarEntry } from "../bed/tar-writer.ts";
import { oneOf, replaced } from "./mutate.ts";
import type { Mutation, Random } from "./target.ts";

const blockSize = 512;
const noBlock = Buffer.alloc(blockSize);

/** The fields of a header: where, how long, and whether a number stands there. */
const fields: readonly (readonly [at: number, length: number, isNumber: boolean])[] = [
  [0, 100, false],
  [100, 8, true],
  [108, 8, true],
  [116, 8, true],
  [124, 12, true],
  [136, 12, true],
  [157, 100, false],
  [257, 8, false],
  [329, 8, true],
  [337, 8, true],
  [345, 155, false],
  // Of the old sparse form: the first segment, whether more follow, the size.
  [386, 12, true],
  [398, 12, true],
  [482, 1, false],
  [483, 12, true],
];
const types = ["\0", ..."0123456789SxgLKDMNVXAB"];
const texts = [
  "",
  "a",
  "a/b",
  "d/",
  "./",
  "..",
  "../x",
  "/",
  "/a",
  ".wh.a",
  ".wh..wh..opq",
  ".wh..wh.x",
  "d/.wh.",
  "l/x",
];
const keys =
  "path linkpath size uid gid mtime atime comment hdrcharset SCHILY.xattr.user.a SCHILY.xattr.security.capability SCHILY.xattr.system.posix_acl_access GNU.sparse.map GNU.sparse.size GNU.sparse.realsize GNU.sparse.name GNU.sparse.major GNU.sparse.minor GNU.sparse.offset".split(
    " ",
  );
const values = [
  ...texts,
  ..."0 1 7 12 512 600 -1 1.5 -0.5 0,1 4,2,8,2 0,4294967296 4294967294 4294967295 9007199254740992".split(" "),
];

/** Mutations that know where headers, fields, entries and records of an archive are. */
export const tarMutations: readonly Mutation[] = [
  changeField,
  changeField,
  (input, random) => changeHeader(input, random, (header) => void header.write(oneOf(types, random), 156, "latin1")),
  changeEntries,
  changeEntries,
  insertEntry,
  changeRecords,
  changeRecords,
  // Whole blocks.
  (input, random, other) => {
    const [at, from] = [
      blockSize * random(1 + input.length / blockSize),
      blockSize * random(1 + other.length / blockSize),
    ];
    return replaced(input, at, blockSize * random(2), other.subarray(from, from + blockSize));
  },
];

/** The archive's headers with their contents, and what is behind them. */
function entriesOf(input: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  while (at + blockSize <= input.length && !input.subarray(at, at + blockSize).equals(noBlock)) {
    const size = Number.parseInt(input.toString("latin1", at + 124, at + 136), 8) || 0;
    const end = at + blockSize + Math.ceil(Math.max(0, Math.min(size, input.length)) / blockSize) * blockSize;
    found.push(input.subarray(at, end));
    at = Math.min(end, input.length);
  }
  return [...found, input.subarray(at)];
}

/** Changes the header of some entry. */
function changeHeader(input: Buffer, random: Random, change: (header: Buffer) => void): Buffer {
  const made = Buffer.from(input);
  const entries = entriesOf(made);
  const entry = oneOf(entries, random);
  if (entry.length >= blockSize) change(entry.subarray(0, blockSize));
  return made;
}

function changeField(input: Buffer, random: Random): Buffer {
  const [at, length, isNumber] = oneOf(fields, random);
  return changeHeader(input, random, (header) => {
    const field = header.subarray(at, at + length);
    if (!isNumber) return void field.fill(0).write(oneOf(texts, random), "latin1");
    const value = numberOf(random);
    const octal = value.toString(8);
    const forms: readonly (() => void)[] = [
      () => field.write(`${octal.padStart(length - 1, "0")}\0`, "latin1"),
      () => field.write(octal.padStart(length, random(2) === 0 ? " " : "0"), "latin1"),
      () => field.write(`${octal} `, "latin1"),
      () => base256(value, length).copy(field),
      () => field.fill(0),
    ];
    oneOf(forms, random)();
  });
}

function numberOf(random: Random): bigint {
  const power = 1n << BigInt(random(66));
  const chosen = [BigInt(random(20)), BigInt(random(1024)), power, power - 1n, -power][random(5)] ?? 0n;
  return random(8) === 0 ? -chosen : chosen;
}

/** An entry goes, comes twice, changes places with another, or comes from the other archive. */
function changeEntries(input: Buffer, random: Random, other: Buffer): Buffer {
  const entries = entriesOf(input);
  const [at, with_] = [random(entries.length), random(entries.length)];
  const [one, two] = [entries[at] ?? noBlock, entries[with_] ?? noBlock];
  if (random(4) === 0) entries.splice(at, 1);
  else if (random(3) === 0) entries.splice(with_, 0, one);
  else if (random(2) === 0) [entries[at], entries[with_]] = [two, one];
  else entries.splice(at, 0, oneOf(entriesOf(other), random));
  return Buffer.concat(entries);
}

function insertEntry(input: Buffer, random: Random, _: Buffer, words: readonly Buffer[]): Buffer {
  const entries = entriesOf(input);
  const text = (): string => (random(2) === 0 ? oneOf(texts, random) : oneOf(words, random).toString("latin1"));
  const form = oneOf(["v7", "ustar", "gnu"] as const, random);
  const spec = { name: text(), type: oneOf(types, random), linkTarget: text(), form, mode: random(0o10000) };
  const made = [
    () => tarEntry(spec, "x".repeat(random(3) === 0 ? random(1500) : 0)),
    () => gnuLong(random(2) === 0 ? "L" : "K", text().repeat(1 + random(200))),
    () => paxHeader([[oneOf(keys, random), oneOf(values, random)]]),
  ];
  entries.splice(random(entries.length), 0, oneOf(made, random)());
  return Buffer.concat(entries);
}

/** A record of an extension header goes, comes or gets another value; lengths stay right. */
function changeRecords(input: Buffer, random: Random, _: Buffer, words: readonly Buffer[]): Buffer {
  const entries = entriesOf(input);
  const places = entries.flatMap((entry, at) => (entry.length > blockSize && entry[156] === 0x78 ? [at] : []));
  if (places.length === 0) return insertEntry(input, random, input, words);
  const place = oneOf(places, random);
  const content = entries[place]?.toString("latin1", blockSize) ?? "";
  const records = [...content.matchAll(/[0-9]+ ([^=\n]*)=([^\n]*)\n/g)].map(
    ([, key = "", value = ""]) => [key, value] as const,
  );
  const value = random(4) === 0 ? oneOf(words, random).toString("latin1") : oneOf(values, random);
  const at = random(records.length + 1);
  if (random(4) === 0) records.splice(at, 1);
  else if (random(2) === 0) records.splice(at, 0, [oneOf(keys, random), value]);
  else records[Math.max(0, Math.min(at, records.length - 1))] = [records[at]?.[0] ?? oneOf(keys, random), value];
  entries[place] = tarEntry({ type: "x", name: "x" }, records.map(([key, text]) => paxRecord(key, text)).join(""));
  return Buffer.concat(entries);
}
