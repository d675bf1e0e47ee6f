import { openCoverage } from "./coverage.ts";
import { mutate, type Random } from "./mutate.ts";
import type { Target } from "./target.ts";

/** How far an exploration has come. */
export interface Explored {
  readonly runs: number;
  /** Inputs that each ran something new. */
  readonly corpus: number;
  /** Bytes of source that have run. */
  readonly coverage: number;
}

export interface ExploreOptions {
  readonly random: Random;
  /** URLs of the code that is counted begin so. */
  readonly prefixes: readonly string[];
  /** Asked between batches. */
  readonly goOn: (so: Explored) => boolean;
  /** Told before each run. */
  readonly before: (input: Buffer) => void;
  /** Told of each defect. */
  readonly found: (input: Buffer, error: unknown) => void;
}

const batchSize = 500;

/**
 * Mutates the target's seeds, and every input that made code run which none before it did. Coverage is taken a batch at a
 * time, which costs little; a batch that reached something new is run again, one input after the other.
 */
export function explore(target: Target, options: ExploreOptions): Explored {
  const { random, goOn, before, found } = options;
  const coverage = openCoverage(options.prefixes);
  const corpus: Buffer[] = [...target.seeds];
  let runs = 0;

  function run(input: Buffer): void {
    runs++;
    before(input);
    try {
      target.run(input);
    } catch (error) {
      found(input, error);
    }
  }

  for (const seed of target.seeds) run(seed);
  coverage.advance();
  const state = (): Explored => ({ runs, corpus: corpus.length, coverage: coverage.size() });
  while (goOn(state())) {
    const batch = Array.from({ length: batchSize }, () =>
      mutate(pick(corpus, random), pick(corpus, random), random, target),
    );
    for (const input of batch) run(input);
    if (!coverage.isNew()) continue;
    for (const input of batch) {
      run(input);
      if (coverage.advance()) corpus.push(input);
    }
  }
  coverage.close();
  return state();
}

/** Newer inputs more often than older ones. */
function pick(corpus: readonly Buffer[], random: Random): Buffer {
  const at = random(2) === 0 ? random(corpus.length) : corpus.length - 1 - random(Math.min(corpus.length, 16));
  return corpus[at] ?? Buffer.alloc(0);
}
