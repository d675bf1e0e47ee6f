import { inputLimit, type Target } from "./target.ts";

/** Whole numbers from 0 up to `below`. */
export type Random = (below: number) => number;

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

type Mutation = (input: Buffer, random: Random, other: Buffer, words: readonly string[]) => Buffer;

const mutations: readonly Mutation[] = [
  // A bit, a byte, an interesting byte.
  (input, random) => put(input, random, (byte) => byte ^ (1 << random(8))),
  (input, random) => put(input, random, () => random(256)),
  (input, random) => put(input, random, () => [0, 0x20, 0x2f, 0x30, 0x37, 0x39, 0x7f, 0x80, 0xff][random(9)] ?? 0),
  (input, random) => put(input, random, (byte) => byte + random(3) - 1),
  // A piece goes, comes twice, comes from another input.
  (input, random) => splice(input, random, Buffer.alloc(0), true),
  (input, random) => splice(input, random, pieceOf(input, random), false),
  (input, random, other) => splice(input, random, pieceOf(other, random), random(2) === 0),
  (input, random, _, words) =>
    splice(input, random, Buffer.from(words[random(words.length)] ?? "", "latin1"), random(2) === 0),
  (input, random) => splice(input, random, Buffer.alloc(1 + random(64), random(256)), random(2) === 0),
  // Whole blocks of 512, as tar has them.
  (input, random, other) => {
    const [at, from] = [512 * random(1 + input.length / 512), 512 * random(1 + other.length / 512)];
    return Buffer.concat([
      input.subarray(0, at),
      other.subarray(from, from + 512),
      input.subarray(at + 512 * random(2)),
    ]);
  },
];

/** Another input, made of one that is known and perhaps a second. */
export function mutate(input: Buffer, other: Buffer, random: Random, target: Target): Buffer {
  let made = input;
  for (let count = 1 + random(4); count > 0; count--)
    made = mutations[random(mutations.length)]?.(made, random, other, target.words) ?? made;
  const short = made.subarray(0, inputLimit);
  return target.mend !== undefined && random(10) > 0 ? target.mend(Buffer.from(short)) : short;
}

function put(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  if (input.length === 0) return input;
  const made = Buffer.from(input);
  const at = random(made.length);
  made[at] = change(made[at] ?? 0) & 0xff;
  return made;
}

function splice(input: Buffer, random: Random, piece: Buffer, instead: boolean): Buffer {
  const at = random(input.length + 1);
  const gone = instead ? Math.max(piece.length, 1 + random(32)) : 0;
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + gone)]);
}

function pieceOf(input: Buffer, random: Random): Buffer {
  const at = random(input.length + 1);
  return input.subarray(at, at + 1 + random(random(8) === 0 ? 1024 : 32));
}
