import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "./bed/run.ts";

const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
const table = readme.split(/^(?=##)/m).find((part) => part.startsWith("### Coming from skopeo")) ?? "";

/** Those that the help of a command of skopeo has, its own and those before the verb. */
async function optionsOf(...verb: readonly string[]): Promise<readonly string[]> {
  const help = await run("skopeo", ...verb, "--help");
  const options = [...help.matchAll(/^ +(?:-\w, )?(--[\w.-]+)/gm)].map(([, option = ""]) => option);
  return options.filter((option) => !["--help", "--version"].includes(option));
}

it("README says of every verb and option of skopeo what stands for it", async () => {
  const verbs = [...(await run("skopeo", "--help")).matchAll(/^ {2}([a-z-]+) {2}/gm)].map(([, verb = ""]) => verb);
  expect(verbs).toContain("list-tags");
  const own = verbs.filter((verb) => !["completion", "help", "generate-sigstore-key"].includes(verb));
  const options = await Promise.all([optionsOf(), ...own.map((verb) => optionsOf(verb))]);
  const named = (word: string): boolean => new RegExp(`[\`\\s]${word}[\`\\s,]`).test(table);
  expect([...own, ...new Set(options.flat())].filter((word) => !named(word))).toEqual([]);
});
