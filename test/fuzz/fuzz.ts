import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setInterval } from "node:timers";
import { Worker } from "node:worker_threads";
import type { FuzzMessage, FuzzWork } from "./fuzz-worker.ts";
import { inputLimit, stretchLimit } from "./target.ts";
import { targets } from "./targets.ts";

const findings = join(import.meta.dirname, "findings");
/** Of one run; other people may have the machine. */
const patience = 20_000;
const memory = 256;

/**
 * Fuzzes every target, one after the other: `fuzz.ts [MINUTES]`, ten of them in all unless it says otherwise. Of the
 * environment: FUZZ_SEED repeats a run, FUZZ_TARGETS names some of the targets. The exit status is 1 when anything was found.
 */
async function main(): Promise<void> {
  const minutes = Number(process.argv[2] ?? 10);
  if (!(minutes > 0)) throw new Error(`${process.argv[2]} is no number of minutes`);
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 32);
  const wanted = process.env.FUZZ_TARGETS?.split(" ");
  const chosen = Object.keys(targets).filter((name) => wanted?.includes(name) ?? true);
  say(`seed ${seed}`);
  let found = 0;
  for (const name of chosen) found += await fuzz(name, seed, (minutes * 60_000) / chosen.length);
  say(found === 0 ? "nothing was found" : `${found} inputs show defects; they are below ${findings}`);
  process.exitCode = found === 0 ? 0 : 1;
}

/** Fuzzes one target; how many inputs of different defects were kept. */
function fuzz(target: string, seed: number, milliseconds: number): Promise<number> {
  const current = new SharedArrayBuffer(8 + inputLimit + stretchLimit);
  const workerData: FuzzWork = { target, seed, milliseconds, current };
  const worker = new Worker(new URL("./fuzz-worker.ts", import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: memory },
  });
  const { keep, kept } = openKeeper(target);
  const words = new Int32Array(current, 0, 2);
  const running = (): Uint8Array => Uint8Array.from(new Uint8Array(current, 8, words[0] ?? 0));
  return new Promise((resolve) => {
    let last = 0;
    const watch = setInterval(() => {
      if (words[1] === last && last > 0) {
        keep(running(), `it has not ended within ${patience / 1000} s`);
        void worker.terminate();
      }
      last = words[1] ?? 0;
    }, patience);
    worker.on("message", (message: FuzzMessage) => {
      if (message.kind === "found") return keep(message.input, message.why);
      const { kind, runs, corpus, coverage, seconds } = message;
      const rate = Math.round(runs / seconds);
      say(`${target}: ${kind}, ${runs} runs, ${rate} a second of processor, ${corpus} inputs, ${coverage} places`);
    });
    worker.on("error", (error: Error) => keep(running(), `the thread has ended: ${error.message}`));
    worker.on("exit", () => {
      clearInterval(watch);
      resolve(kept());
    });
  });
}

/** Keeps inputs that show defects: of those that are alike, the first. */
function openKeeper(target: string): { keep(input: Uint8Array, why: string): void; kept(): number } {
  const stacks = new Set<string>();
  return {
    kept: () => stacks.size,
    keep(input, why) {
      const stack = why
        .split("\n")
        .filter((line, at) => (at === 0 ? !why.includes("\n    at ") : /^ {4}at .*\/(?:src|fuzz)\//.test(line)))
        .slice(0, 3)
        .join("\n");
      if (stacks.has(stack)) return;
      stacks.add(stack);
      say(`${target}: ${saved(target, input)}\n${why}`);
    },
  };
}

function saved(target: string, input: Uint8Array): string {
  const directory = join(findings, target);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, createHash("sha256").update(input).digest("hex").slice(0, 16));
  writeFileSync(path, input);
  return path;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
