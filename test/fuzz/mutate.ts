import { inputLimit, type Mutation, type Random, stretchLimit, type Target } from "./target.ts";

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One of them; they are not none. */
export function oneOf<T>(choices: readonly T[], random: Random): T {
  return choices[random(choices.length)] as T;
}

const bytes = [0, 0x20, 0x2f, 0x30, 0x37, 0x39, 0x7f, 0x80, 0xff];
const numbers =
  "0 -1 1 7 127 128 255 256 511 512 513 65535 2147483648 4294967295 4294967296 9007199254740993 1e999".split(" ");

const mutations: readonly Mutation[] = [
  // A bit, a byte, an interesting byte.
  (input, random) => put(input, random, (byte) => byte ^ (1 << random(8))),
  (input, random) => put(input, random, () => random(256)),
  (input, random) => put(input, random, () => oneOf(bytes, random)),
  (input, random) => put(input, random, (byte) => byte + random(3) - 1),
  // A piece goes, comes twice, comes from another input.
  (input, random) => splice(input, random, Buffer.alloc(0), true),
  (input, random) => splice(input, random, pieceOf(input, random), false),
  (input, random, other) => splice(input, random, pieceOf(other, random), random(2) === 0),
  (input, random) => splice(input, random, Buffer.alloc(1 + random(64), random(256)), random(2) === 0),
  // The beginning of one, the end of the other.
  (input, random, other) =>
    Buffer.concat([input.subarray(0, random(input.length + 1)), other.subarray(random(other.length + 1))]),
  insertWord,
  insertWord,
  changeNumber,
  changeLine,
];

/** Another input, made of one that is known and perhaps a second. */
export function mutate(input: Buffer, other: Buffer, random: Random, target: Target, words: readonly Buffer[]): Buffer {
  let made = input;
  const own = target.mutations ?? mutations;
  for (let count = 1 << random(4); count > 0; count--)
    made = oneOf(random(2) === 0 ? own : mutations, random)(made, random, other, words);
  const short = made.subarray(0, inputLimit);
  return target.mend !== undefined && random(20) > 0 ? target.mend(Buffer.from(short)) : short;
}

/** The input with one piece of it, or white space or the like, very many times. */
export function stretch(input: Buffer, random: Random, target: Target): Buffer {
  const at = random(input.length + 1);
  const own = input.subarray(at, at + 1 + random(4));
  const piece = random(2) === 0 || own.length === 0 ? Buffer.from(oneOf([..." \t\n\\\"'([{}])/.-#%$,:"], random)) : own;
  const made = replaced(input, at, 0, Buffer.alloc(stretchLimit, piece));
  return target.mend === undefined ? made : target.mend(made);
}

/** The target's words as bytes, with those of `more` that look like one. */
export function dictionaryOf(target: Target, more: readonly string[]): readonly Buffer[] {
  const found = more.filter((word) => word.length > 0 && word.length < 80 && !word.includes(" "));
  return [...target.words, ...found].map((word) => (typeof word === "string" ? Buffer.from(word) : word));
}

function put(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  if (input.length === 0) return input;
  const made = Buffer.from(input);
  const at = random(made.length);
  made[at] = change(made[at] ?? 0) & 0xff;
  return made;
}

function splice(input: Buffer, random: Random, piece: Buffer, instead: boolean): Buffer {
  const gone = instead ? Math.max(piece.length, 1 + random(32)) : 0;
  return replaced(input, random(input.length + 1), gone, piece);
}

/** `gone` bytes at that place give way to the piece. */
export function replaced(input: Buffer, at: number, gone: number, piece: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + gone)]);
}

function pieceOf(input: Buffer, random: Random): Buffer {
  const at = random(input.length + 1);
  return input.subarray(at, at + 1 + random(random(8) === 0 ? 1024 : 32));
}

function insertWord(input: Buffer, random: Random, _: Buffer, words: readonly Buffer[]): Buffer {
  return words.length === 0 ? input : splice(input, random, oneOf(words, random), random(2) === 0);
}

/** The first number behind some place becomes another, near it or at a border. */
function changeNumber(input: Buffer, random: Random): Buffer {
  const from = random(input.length + 1);
  const match = /-?[0-9]+/.exec(input.toString("latin1", from, from + 512));
  if (match === null) return input;
  const near = String(BigInt(match[0]) + BigInt(random(5) - 2));
  return replaced(
    input,
    from + match.index,
    match[0].length,
    Buffer.from(random(2) === 0 ? near : oneOf(numbers, random)),
  );
}

/** A line goes, comes twice, changes places with the next, or comes from the other. */
function changeLine(input: Buffer, random: Random, other: Buffer): Buffer {
  const lines = input.toString("latin1").split("\n");
  const at = random(lines.length);
  const foreign = oneOf(other.toString("latin1").split("\n"), random);
  const changes: readonly (readonly string[])[] = [
    [],
    [lines[at] ?? "", lines[at] ?? ""],
    [lines[at + 1] ?? "", lines[at] ?? ""],
    [lines[at] ?? "", foreign],
  ];
  const kind = random(changes.length);
  lines.splice(at, kind === 2 ? 2 : 1, ...(changes[kind] ?? []));
  return Buffer.from(lines.join("\n"), "latin1");
}
