// biome-ignore-all lint/suspicious/noTemplateCurlyInString: string templates are the subject here
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderText } from "../../src/contract/template.ts";
import { errorOf, stringTemplate, valuesOf } from "./contracts.ts";

/** Asks Python's string.Template about many templates at once. */
function askPython(templates: readonly string[], values: Readonly<Record<string, string>>): readonly Answer[] {
  const program = `
import json, sys
from string import Template
class Values(dict):
    def __missing__(self, name):
        missing.append(name)
        return ""
templates, values = json.load(sys.stdin)
answers = []
for text in templates:
    missing = []
    try:
        rendered = Template(text).substitute(Values(values))
        answers.append({"missing": ", ".join(dict.fromkeys(missing))} if missing else {"text": rendered})
    except ValueError as error:
        answers.append({"invalid": str(error)})
json.dump(answers, sys.stdout)
`;
  const input = JSON.stringify([templates, values]);
  return JSON.parse(execFileSync("python3", ["-c", program], { input, encoding: "utf8", maxBuffer: 1 << 26 }));
}

type Answer = { readonly text: string } | { readonly missing: string } | { readonly invalid: string };

/** What keelson makes of the same. */
function askKeelson(text: string, values: Readonly<Record<string, string>>): Answer {
  try {
    return { text: renderText(stringTemplate(text), valuesOf(values)) };
  } catch {
    const error = errorOf(() => renderText(stringTemplate(text), valuesOf(values)));
    if (error.code === "E_VALUE_MISSING") return { missing: error.message.replace(/^.* has no value for /, "") };
    return { invalid: error.message.replace(/^[^:]*: /, "") };
  }
}

const values = { A: "1", a_b: "two words", _: "under", A1: "$A ${A} $$", Name: 'q"uote', B: "line\nend", x: "" };

const table: readonly string[] = [
  "",
  "no variable",
  "$A",
  "${A}",
  "$A$A${A}x",
  "$$",
  "$$A",
  "$$$A",
  "$$$$",
  "$a_b.$_!$A1-",
  "$Name/$B/$x.",
  "${A1}",
  "$A1 $A_ ",
  "$Aé",
  "${missing}",
  "$Missing and text",
  "$",
  "a $ b",
  "$1",
  "${1}",
  "${}",
  "${A",
  "${A }",
  "${ A}",
  "$(x)",
  "line\nsecond $(x)",
  "crlf\r\nsecond\r\n  $-",
  "é😀 $é",
  "$ſ",
  "$\u212a",
  "${A\u212a}",
  "$A\n${x}\n$$MAINPID\n$",
  "$A}",
  "{$A}",
  "$${A}",
  "${$A}",
  "$\n",
  "$A$",
];

describe("string templates", () => {
  it("11: $$ renders $, ${V} and $V are equal, as Python's string.Template does, on a table and 2000 generated texts", () => {
    const piece = fc.constantFrom(
      "$",
      "$$",
      "{",
      "}",
      "${A}",
      "$A",
      "A",
      "a_b",
      "$a_b",
      "\n",
      " ",
      "1",
      "é",
      "-",
      "${x}",
    );
    const generated = fc.sample(
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
      {
        numRuns: 2000,
        seed: 11,
      },
    );
    const templates = [...table, ...generated];
    const known = { ...values, AA: "2", A1: "3", a_bA: "4" };
    const python = askPython(templates, known).map((answer, index) => [templates[index], answer]);
    const keelson = templates.map((text) => [text, askKeelson(text, known)]);
    expect(keelson).toEqual(python);
  });

  it("11: $(x) is an error giving file, line and column", () => {
    const error = errorOf(() => renderText(stringTemplate("a\n  $(x)", "/exports/service.template"), new Map()));
    expect(error.code).toBe("E_TEMPLATE");
    expect(error.message).toBe("/exports/service.template: Invalid placeholder in string: line 2, col 3");
  });

  it("12: a value is never expanded again", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(renderText(stringTemplate("<$V>"), valuesOf({ V: value, NAME: "no" }))).toBe(`<${value}>`);
      }),
    );
  });

  it("4: every missing variable of a file is named with the file, and the hint says how to set them", () => {
    const template = stringTemplate("$A ${B} $C $B", "/exports/service.template");
    const error = errorOf(() => renderText(template, valuesOf({ C: "c" })));
    expect(error.code).toBe("E_VALUE_MISSING");
    expect(error.message).toBe("/exports/service.template has no value for A, B");
    expect(error.hint).toContain("--set A=VALUE --set B=VALUE");
  });

  it("knows no variables but those it is given, whatever objects have", () => {
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
      expect(errorOf(() => renderText(stringTemplate(`$${name}`), new Map())).code).toBe("E_VALUE_MISSING");
      const values = new Map([[name, { value: "x", origin: "set" }]] as const);
      expect(renderText(stringTemplate(`$${name}`), values)).toBe("x");
    }
  });

  it("writes numbers, booleans, lists and objects as JSON does", () => {
    const values = valuesOf({ N: 1.5, B: false, L: [1, "a"], O: { k: "v" } }, "default");
    expect(renderText(stringTemplate("$N $B $L $O"), values)).toBe('1.5 false [1,"a"] {"k":"v"}');
  });

  it("refuses a rendering that grows beyond all use, and a value that has no UTF-8", () => {
    const values = valuesOf({ A: "x".repeat(1 << 20) }, "default");
    expect(errorOf(() => renderText(stringTemplate("$A".repeat(1 << 18)), values)).code).toBe("E_TEMPLATE");
    expect(errorOf(() => renderText(stringTemplate("$A"), valuesOf({ A: "\ud800" }))).code).toBe("E_VALUE");
  });
});
