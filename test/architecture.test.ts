import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cruise, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "./bed/scratch.ts";

const root = join(import.meta.dirname, "..");
const pureBuiltIns = ["buffer", "crypto", "path", "stream", "util"];

interface Part {
  /** Of src: a folder, or a file without its ending. */
  readonly imports: readonly string[];
  /** Of Node; "all" where nothing is said. */
  readonly builtIns?: readonly string[];
}

const forCommands = ["image", "layer", "contract", "plan", "source", "store", "host", "output", "world"];

/** Which parts of src may import which others; each may import itself and errors. */
const parts: Readonly<Record<string, Part>> = {
  errors: { imports: [], builtIns: [] },
  image: { imports: [], builtIns: pureBuiltIns },
  layer: { imports: ["image"], builtIns: pureBuiltIns },
  contract: { imports: ["image", "layer"], builtIns: pureBuiltIns },
  plan: { imports: ["image", "layer", "contract", "yaml"], builtIns: pureBuiltIns },
  trust: { imports: ["image"], builtIns: pureBuiltIns },
  yaml: { imports: [], builtIns: [] },
  // What Node does not offer, of the C library and of the libraries that it is linked with.
  native: { imports: [] },
  source: { imports: ["image", "trust", "toml", "yaml", "native"] },
  // It reads /exports out of an image's tree, in the contract's terms.
  store: { imports: ["image", "layer", "contract", "native"] },
  ini: { imports: ["image"], builtIns: [] },
  toml: { imports: [], builtIns: [] },
  host: { imports: ["image", "layer", "plan", "store", "ini"] },
  settings: { imports: ["ini"] },
  output: { imports: [], builtIns: ["readline"] },
  world: { imports: ["image", "layer", "contract", "plan", "source", "store", "host", "settings", "output"] },
  "commands/name": { imports: forCommands },
  "commands/offer": { imports: forCommands },
  "commands/pull": { imports: [...forCommands, "commands/name", "commands/offer"] },
  "commands/transfer": { imports: forCommands },
  "commands/each": { imports: forCommands },
  "commands/renew": { imports: [...forCommands, "commands/name", "commands/pull"] },
  "commands/propose": { imports: [...forCommands, "commands/pull"] },
  "commands/bundle": { imports: [...forCommands, "commands/name", "commands/pull"] },
  // It writes a bundle, too.
  "commands/export": { imports: [...forCommands, "commands/bundle"] },
  // One command of several files.
  "commands/repair": { imports: [...forCommands, "commands/pull", "commands/offer", "commands/name"] },
  "commands/sync": { imports: [...forCommands, "commands/transfer"] },
  "commands/apply": {
    imports: [...forCommands, "commands/name", "commands/pull", "commands/renew", "commands/propose"],
  },
  "commands/inspect": {
    imports: [...forCommands, "commands/name", "commands/offer", "commands/pull", "commands/propose"],
  },
  commands: {
    imports: [
      ...forCommands,
      "commands/pull",
      "commands/name",
      "commands/renew",
      "commands/propose",
      "commands/transfer",
      "commands/each",
    ],
  },
  cli: { imports: ["commands", "world", "settings", "output"], builtIns: [] },
  main: { imports: ["cli", "world", "settings", "output"], builtIns: ["fs", "path"] },
};

/** Files of commands that are other than one command, and have rows of their own. */
const sharedCommands = "pull offer name renew propose transfer each apply repair inspect sync bundle export".split(" ");

/** The one place of each package that keelson is built on, as in `parts`. */
const packageHomes: Readonly<Record<string, string>> = {
  commander: "cli",
  ini: "ini",
  "smol-toml": "toml",
  handlebars: "contract/handlebars",
  "dbus-next": "host/systemd-bus",
  tar: "source/tar-index",
  koffi: "native",
  diff: "plan/text-diff",
  "@dagrejs/dagre": "plan/graph-svg",
  yaml: "yaml",
  "@sigstore/core": "trust/certificate",
};

function pathsOf(names: readonly string[]): string {
  return names.map((name) => `^src/${name}(?:/|\\.ts$)`).join("|");
}

const forbidden: readonly IForbiddenRuleType[] = [
  { name: "no cycles", from: {}, to: { circular: true } },
  { name: "known parts", from: { path: "^src/", pathNot: pathsOf(Object.keys(parts)) }, to: {} },
  ...Object.entries(parts).flatMap(([name, { imports, builtIns }]): readonly IForbiddenRuleType[] => {
    const shared =
      name === "commands"
        ? {
            pathNot: pathsOf(sharedCommands.map((command) => `commands/${command}`)),
          }
        : {};
    const from = { path: pathsOf([name]), ...shared };
    // A command is one file; among themselves they share only what pulls, names, proposes and copies.
    const within = name === "commands" ? [] : [name];
    const own = pathsOf([...within, "errors", ...imports]);
    const core = { dependencyTypes: ["core" as const], pathNot: `^(?:${(builtIns ?? []).join("|")})$` };
    return [
      { name: `${name} imports`, from, to: { path: "^src/", pathNot: own } },
      ...(builtIns === undefined ? [] : [{ name: `${name} built-ins`, from, to: core }]),
    ];
  }),
  ...Object.entries(packageHomes).map(([name, home]): IForbiddenRuleType => {
    const to = { path: `(?:^|/)node_modules/${name}/|^${name}$` };
    return { name: `home of ${name}`, from: { pathNot: pathsOf([home]) }, to };
  }),
  {
    name: "known packages",
    from: {},
    to: { pathNot: `^src/|node_modules/(?:${Object.keys(packageHomes).join("|")})/`, dependencyTypesNot: ["core"] },
  },
];

/** What dependency-cruiser finds in src below `directory`. */
async function readModules(directory: string): Promise<ICruiseResult> {
  const { output } = await cruise(["src"], {
    baseDir: directory,
    validate: true,
    ruleSet: { forbidden: forbidden.map((rule) => ({ severity: "error" as const, ...rule })) },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
  });
  if (typeof output === "string") throw new Error(output);
  return output;
}

function violationsOf(result: ICruiseResult): readonly string[] {
  return result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort();
}

describe("imports", () => {
  it("follow the table, and every file of src was read", async () => {
    const result = await readModules(root);
    expect(violationsOf(result)).toEqual([]);
    const read = result.modules.map(({ source }) => source).filter((source) => source.startsWith("src/"));
    expect(read.sort()).toEqual(globSync("src/**/*.ts", { cwd: root }).sort());
    expect(read.length).toBeGreaterThan(100);
    const imports = result.modules.flatMap(({ dependencies }) => dependencies);
    expect(imports.length).toBeGreaterThan(400);
    expect(imports.filter(({ couldNotResolve }) => couldNotResolve)).toEqual([]);
  });

  it.each([
    [
      "a folder that is not in its row",
      { "src/plan/a.ts": 'import "../store/b.ts";', "src/store/b.ts": "" },
      "plan imports",
    ],
    [
      "a type of such a folder",
      {
        "src/host/a.ts": 'import type { B } from "../contract/b.ts"; export type A = B;',
        "src/contract/b.ts": "export interface B { readonly b: number }",
      },
      "host imports",
    ],
    ["the file system from a pure folder", { "src/image/a.ts": 'import "node:fs";' }, "image built-ins"],
    [
      "a command from another",
      { "src/commands/a.ts": 'import "./b.ts";', "src/commands/b.ts": "" },
      "commands imports",
    ],
    ["a part nobody knows", { "src/misc/a.ts": 'import "../errors.ts";', "src/errors.ts": "" }, "known parts"],
    [
      "a package outside its home",
      { "src/store/a.ts": 'import "koffi";', "node_modules/koffi/index.js": "" },
      "home of koffi",
    ],
    [
      "a package without a home",
      { "src/store/a.ts": 'import "left-pad";', "node_modules/left-pad/index.js": "" },
      "known packages",
    ],
    [
      "in a circle, if only of types",
      {
        "src/store/a.ts": 'import type { B } from "./b.ts"; export type A = B;',
        "src/store/b.ts": 'import type { A } from "./a.ts"; export type B = A;',
      },
      "no cycles",
    ],
  ])("of %s are found", async (_, files, rule) => {
    const directory = scratchDirectory();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
    }
    const violations = violationsOf(await readModules(directory));
    expect(violations.map((violation) => violation.split(":")[0])).toContain(rule);
  });
});

/** Functions by their lines, from the first of the declaration to the closing brace; those of a test suite hold other functions. */
function longFunctions(path: string, text: string, limit: number): readonly string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const lineOf = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && !isSuite(node)) {
      const [first, last] = [lineOf(node.getStart()), lineOf(node.getEnd())];
      if (last - first + 1 >= limit) found.push(`${path}:${first} has ${last - first + 1} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** The function given to describe(), which only groups. */
function isSuite(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText());
}

describe("sizes", () => {
  const paths = globSync(["src/**/*.ts", "test/**/*.ts", "examples/**/*.ts"], { cwd: root }).sort();
  const sources = paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

  it("no file has 250 lines", () => {
    expect(sources.length).toBeGreaterThan(140);
    const long = sources.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
    expect(long.filter(({ lines }) => lines >= 250)).toEqual([]);
  });

  it("no function has 50 lines", () => {
    expect(sources.flatMap(({ path, text }) => longFunctions(path, text, 50))).toEqual([]);
  });

  it("a function is measured whatever its form", () => {
    const body = "\n".repeat(3);
    const forms = [`function a() {${body}}`, `const a = () => {${body}};`, `const a = { b() {${body}} };`];
    for (const form of forms) expect(longFunctions("a.ts", form, 4)).toEqual(["a.ts:1 has 4 lines"]);
    expect(longFunctions("a.ts", `describe("a", () => {${body}});`, 4)).toEqual([]);
  });
});
