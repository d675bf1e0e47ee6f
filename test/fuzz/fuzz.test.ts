import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { mutate, randomOf } from "./mutate.ts";
import { inputLimit } from "./target.ts";
import { targets } from "./targets.ts";

const findings = join(import.meta.dirname, "findings");

/** What once showed a defect of the target. */
function findingsOf(target: string): readonly (readonly [string, Buffer])[] {
  const directory = join(findings, target);
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))] as const);
}

describe.each(targets.map((target) => [target.name, target] as const))("%s", (name, target) => {
  it("takes its seeds, and everything that was ever found", () => {
    expect(target.seeds.length).toBeGreaterThan(3);
    for (const seed of target.seeds) target.run(seed);
    for (const [finding, input] of findingsOf(name)) expect(() => target.run(input), finding).not.toThrow();
  });

  it("takes what a few mutations make of them, the same for the same seed", () => {
    const [random, again] = [randomOf(1), randomOf(1)];
    for (let run = 0; run < 200; run++) {
      const seed = target.seeds[run % target.seeds.length] ?? Buffer.alloc(0);
      const input = mutate(seed, seed, random, target);
      expect(input.equals(mutate(seed, seed, again, target))).toBe(true);
      expect(input.length).toBeLessThanOrEqual(inputLimit);
      target.run(input);
    }
  });
});

it("belongs to a target, whatever was found", () => {
  const known = targets.map(({ name }) => name);
  expect(readdirSync(findings).filter((name) => !known.includes(name) && name !== "README.md")).toEqual([]);
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
const [explorer, mutations, reader, home] = process.argv.slice(1);
const [{ explore }, { randomOf }, { read }] = await Promise.all([explorer, mutations, reader].map((path) => import(path)));
const target = { name: "planted", seeds: [Buffer.from("____")], words: ["_"], run: (input) => read(input.toString("latin1")) };
let found = "";
const options = { random: randomOf(7), prefixes: [home], before: () => undefined, found: (input) => { found ||= input.toString("latin1").slice(0, 4); } };
const { runs } = explore(target, { ...options, goOn: (so) => found === "" && so.runs < 400_000 });
console.log(JSON.stringify({ found, runs }));
`;

it("coverage leads to a defect that chance does not find", () => {
  const scratch = scratchDirectory();
  writeFileSync(join(scratch, "reader.mjs"), planted);
  const path = (name: string): string => pathToFileURL(join(import.meta.dirname, name)).href;
  const home = pathToFileURL(scratch).href;
  const args = [path("explore.ts"), path("mutate.ts"), `${home}/reader.mjs`, home];
  const { found, runs } = JSON.parse(runProgram(process.execPath, ["--input-type=module", "-e", program, ...args]));
  expect(found).toBe("keel");
  expect(runs).toBeLessThan(400_000);
});
