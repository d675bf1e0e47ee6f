import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { instrument } from "./instrument.ts";
import { dictionaryOf, mutate, oneOf, randomOf, stretch } from "./mutate.ts";
import { inputLimit } from "./target.ts";
import { targets } from "./targets.ts";

const findings = join(import.meta.dirname, "findings");

/** What once showed a defect of the target. */
function findingsOf(target: string): readonly (readonly [string, Buffer])[] {
  const directory = join(findings, target);
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))] as const);
}

describe.each(Object.keys(targets))("%s", async (name) => {
  const target = await targets[name]?.();
  if (target === undefined) throw new Error(`there is no target ${name}`);
  const words = dictionaryOf(target, []);

  it("takes its seeds, and everything that was ever found", () => {
    expect(target.seeds.length).toBeGreaterThan(3);
    for (const seed of target.seeds) target.run(seed);
    for (const [finding, input] of findingsOf(name)) expect(() => target.run(input), finding).not.toThrow();
  });

  it("takes what a few mutations make of them, the same for the same seed", () => {
    const [random, again] = [randomOf(1), randomOf(1)];
    for (let run = 0; run < 1000; run++) {
      const [seed, other] = [target.seeds[run % target.seeds.length], target.seeds[run % 3]];
      if (seed === undefined || other === undefined) throw new Error("there are too few seeds");
      const input = mutate(seed, other, random, target, words);
      expect(input.equals(mutate(seed, other, again, target, words))).toBe(true);
      expect(input.length).toBeLessThanOrEqual(inputLimit);
      target.run(input);
    }
  });

  it("takes it when there is very much of one thing, in the time that this takes", () => {
    const random = randomOf(2);
    const begun = process.cpuUsage();
    for (let run = 0; run < 40; run++) target.run(stretch(oneOf(target.seeds, random), random, target));
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1e6).toBeLessThan(20);
  });
});

it("belongs to a target, whatever was found", () => {
  const known = [...Object.keys(targets), "README.md"];
  expect(readdirSync(findings).filter((name) => !known.includes(name))).toEqual([]);
});

describe("counters", () => {
  it("stand where code may be passed by, and change no line and no result", () => {
    const source = [
      "function pick(a, b = () => 1) {",
      "  if (a) return a?.x ?? 'word'; else if (b) { b(); }",
      "  for (const one of a || []) one();",
      "  try { switch (b) { case 1: return 2; default: } } catch { return 3; }",
      "  return a ? 1 : b && 2;",
      "}",
    ].join("\n");
    const made = instrument("a.ts", source, 5);
    const numbers = [...made.text.matchAll(/\[([0-9]+)\]\+\+/g)].map(([, number]) => Number(number));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: made.sites }, (_, at) => at + 5));
    expect(made.sites).toBe(15);
    expect(made.text.split("\n").length).toBe(source.split("\n").length);
    expect(made.words).toEqual(["word"]);
  });
});

/** A reader with a defect behind four words that have to be guessed one after the other: chance alone does not find it. */
const planted = `
export function read(text) {
  if (text[0] !== "k") return 0;
  if (text[1] !== "e") return 1;
  if (text[2] !== "e") return 2;
  if (text[3] !== "l") return 3;
  throw new Error("the planted defect");
}
`;
const program = `
const [counter, explorer, mutations, reader, home] = process.argv.slice(1);
const [{ openCoverage }, { explore }, { randomOf }] = await Promise.all([counter, explorer, mutations].map((path) => import(path)));
const coverage = openCoverage([home]);
const { read } = await import(reader);
const target = { name: "planted", seeds: [Buffer.from("____")], words: ["_"], run: (input) => read(input.toString("latin1")) };
let found = "";
let stack = "";
const options = { random: randomOf(7), coverage, before: () => undefined, found: (input, error) => { found ||= input.toString("latin1").slice(0, 4); stack ||= error.stack; } };
const { runs } = explore(target, { ...options, goOn: (so) => found === "" && so.runs < 400_000 });
console.log(JSON.stringify({ found, runs, stack }));
`;

it("coverage leads to a defect that chance does not find", () => {
  const scratch = scratchDirectory();
  writeFileSync(join(scratch, "reader.mjs"), planted);
  const path = (name: string): string => pathToFileURL(join(import.meta.dirname, name)).href;
  const home = pathToFileURL(scratch).href;
  const args = [path("coverage.ts"), path("explore.ts"), path("mutate.ts"), `${home}/reader.mjs`, home];
  const { found, runs, stack } = JSON.parse(
    runProgram(process.execPath, ["--input-type=module", "-e", program, ...args]),
  );
  expect(found).toBe("keel");
  expect(stack).toContain("reader.mjs:7:");
  expect(runs).toBeLessThan(400_000);
});
