import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { openCoverage } from "./coverage.ts";
import { type Explored, explore } from "./explore.ts";
import { randomOf } from "./mutate.ts";
import { targets } from "./targets.ts";

/** What the thread that fuzzes one target is started with. */
export interface FuzzWork {
  readonly target: string;
  readonly seed: number;
  readonly milliseconds: number;
  /** The input that is being run: its length in the first word, then its bytes; the second word counts runs. */
  readonly current: SharedArrayBuffer;
}

/** What it says: that an input shows a defect, or how far it is. */
export type FuzzMessage =
  | { readonly kind: "found"; readonly input: Uint8Array; readonly why: string }
  | ({ readonly kind: "so far" | "done" /** Of the processor. */; readonly seconds: number } & Explored);

const progressInterval = 10_000;

async function main({ target: name, seed, milliseconds, current }: FuzzWork): Promise<void> {
  const coverage = openCoverage([pathToFileURL(join(import.meta.dirname, "../../src/")).href]);
  const target = await targets[name]?.();
  if (target === undefined) throw new Error(`there is no target ${name}`);
  const say = (message: FuzzMessage): void => parentPort?.postMessage(message);
  const [words, bytes] = [new Int32Array(current, 0, 2), new Uint8Array(current, 8)];
  const begun = performance.now();
  let told = begun;
  const spentBefore = process.threadCpuUsage();
  const soFar = (kind: "so far" | "done", so: Explored): void => {
    const { user, system } = process.threadCpuUsage(spentBefore);
    say({ kind, seconds: (user + system) / 1e6, ...so });
  };
  const done = explore(target, {
    random: randomOf(seed),
    coverage,
    goOn(so) {
      if (performance.now() - told > progressInterval) {
        soFar("so far", so);
        told = performance.now();
      }
      return performance.now() - begun < milliseconds;
    },
    before(input) {
      bytes.set(input);
      words[0] = input.length;
      Atomics.add(words, 1, 1);
    },
    found: (input, error) =>
      say({ kind: "found", input, why: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  });
  soFar("done", done);
}

await main(workerData);
