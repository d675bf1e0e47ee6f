import type { Coverage } from "./coverage.ts";
import { dictionaryOf, mutate, oneOf, stretch } from "./mutate.ts";
import { inputLimit, type Random, type Target } from "./target.ts";

/** How far an exploration has come. */
export interface Explored {
  readonly runs: number;
  /** Inputs that are mutated. */
  readonly corpus: number;
  /** Places of the source that have run. */
  readonly coverage: number;
}

export interface ExploreOptions {
  readonly random: Random;
  /** Opened before the target was imported. */
  readonly coverage: Coverage;
  /** Asked now and then. */
  readonly goOn: (so: Explored) => boolean;
  /** Told before each run. */
  readonly before: (input: Buffer) => void;
  /** Told of each defect. */
  readonly found: (input: Buffer, error: unknown) => void;
}

const askEvery = 128;
const stackDepth = 30;
/** One input of so many is stretched: what is read in more than linear time takes seconds then. */
const stretchEvery = 4096;
const patience = 5000;

/**
 * Mutates the target's seeds, and of the inputs that made some code run, or run so often, the shortest. Short ones are run more
 * times a second, and a mutation of them more often hits what counts.
 */
export function explore(target: Target, options: ExploreOptions): Explored {
  const { random, coverage, goOn, before, found } = options;
  const corpus = openCorpus();
  const words = dictionaryOf(target, coverage.words());
  let runs = 0;

  function run(input: Buffer): void {
    runs++;
    before(input);
    coverage.clear();
    const begun = performance.now();
    try {
      target.run(input);
    } catch {
      found(input, errorOf(target, input));
    }
    if (performance.now() - begun > patience && isSlow(target, input))
      found(input, `it takes more than ${patience / 1000} s`);
    if (input.length > inputLimit) return;
    const better = coverage.advance(input.length);
    if (better.length > 0) corpus.add(input, better);
  }

  const { stackTraceLimit } = Error;
  // Nobody reads the stacks of what is refused as it should be, and they take a good part of the time.
  Error.stackTraceLimit = 0;
  for (const seed of target.seeds) run(seed);
  const state = (): Explored => ({ runs, corpus: corpus.size(), coverage: coverage.size() });
  while (goOn(state()))
    for (let count = 0; count < askEvery; count++) {
      const input = mutate(corpus.pick(random), corpus.pick(random), random, target, words);
      run(runs % stretchEvery === 0 ? stretch(input, random, target) : input);
    }
  Error.stackTraceLimit = stackTraceLimit;
  return state();
}

/** Whether it was the input, and not others who have the processor. */
function isSlow(target: Target, input: Buffer): boolean {
  const begun = process.threadCpuUsage();
  try {
    target.run(input);
  } catch {
    // That it fails was told before.
  }
  const { user, system } = process.threadCpuUsage(begun);
  return (user + system) / 1000 > patience;
}

/** The inputs worth mutating: each is the best for something. */
interface Corpus {
  add(input: Buffer, features: readonly number[]): void;
  /** One of all, or of the latest. */
  pick(random: Random): Buffer;
  size(): number;
}

function openCorpus(): Corpus {
  const best = new Map<number, Buffer>();
  let inputs: readonly Buffer[] = [];
  let latest: readonly Buffer[] = [];
  return {
    size: () => inputs.length,
    add(input, features) {
      // What a mutation gives may be a part of something larger.
      const kept = Buffer.from(input);
      for (const feature of features) best.set(feature, kept);
      inputs = [...new Set(best.values())];
      latest = [...latest.slice(-15), kept];
    },
    pick: (random) => (inputs.length === 0 ? Buffer.alloc(0) : oneOf(random(4) === 0 ? latest : inputs, random)),
  };
}

/** What the target throws for an input that it threw for, with a stack. */
function errorOf(target: Target, input: Buffer): unknown {
  Error.stackTraceLimit = stackDepth;
  try {
    target.run(input);
    return new Error("it failed, but not when it was run again");
  } catch (error) {
    return error;
  } finally {
    Error.stackTraceLimit = 0;
  }
}
