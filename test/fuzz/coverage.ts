import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { hitsName, instrument } from "./instrument.ts";

/** What of the program has ever been run, by counters compiled into it. */
export interface Coverage {
  /** Forgets what ran since the last call. */
  clear(): void;
  /**
   * What ran since the last clear() and never did before, or never as often, or only for longer inputs than one of `length`
   * bytes; it is noted. The list is used again by the next call.
   */
  advance(length: number): readonly number[];
  /** Places that have ever run. */
  size(): number;
  /** String literals of what is counted. */
  words(): readonly string[];
}

const siteLimit = 1 << 16;

/**
 * Counts, in what is imported from now on, the code whose URL begins with one of `prefixes`. As in AFL a place counts as new
 * each time it ran once, twice, 3, 4, 8, 16, 32 or 128 times or more: loops and depths tell inputs apart too.
 */
export function openCoverage(prefixes: readonly string[]): Coverage {
  // It stays at 255, which no place of a loop takes for never.
  const hits = new Uint8ClampedArray(siteLimit);
  const quick = new Uint32Array(hits.buffer);
  // By place and bucket, the length of the shortest input so far.
  const shortest = new Uint16Array(siteLimit * 8).fill(0xffff);
  const ran = new Uint8Array(siteLimit);
  const better: number[] = [];
  const words = new Set<string>();
  let sites = 0;
  Object.assign(globalThis, { [hitsName]: hits });
  registerHooks({
    load(url, context, next) {
      if (!prefixes.some((prefix) => url.startsWith(prefix))) return next(url, context);
      const source = readFileSync(fileURLToPath(url), "utf8");
      const made = instrument(url, source, sites);
      sites += made.sites;
      if (sites > siteLimit) throw new Error("there are more places to count than counters");
      for (const word of made.words) words.add(word);
      return { format: url.endsWith(".ts") ? "module-typescript" : "module", source: made.text, shortCircuit: true };
    },
  });
  let size = 0;
  return {
    clear: () => void quick.fill(0, 0, (sites >> 2) + 1),
    advance(length) {
      better.length = 0;
      const end = (sites >> 2) + 1;
      for (let word = 0; word < end; word++) {
        if (quick[word] === 0) continue;
        for (let at = word * 4; at < word * 4 + 4; at++) {
          const count = hits[at] ?? 0;
          if (count === 0) continue;
          const feature = at * 8 + (buckets[count] ?? 0);
          if (length >= (shortest[feature] ?? 0)) continue;
          shortest[feature] = length;
          better.push(feature);
          if (ran[at] === 0) size++;
          ran[at] = 1;
        }
      }
      return better;
    },
    size: () => size,
    words: () => [...words],
  };
}

/** Which of eight a count that is not 0 belongs to. */
const buckets = Uint8Array.from({ length: 256 }, (_, count) =>
  [1, 2, 3, 4, 8, 16, 32, 128].findLastIndex((least) => count >= least),
);
