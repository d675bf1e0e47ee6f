// biome-ignore-all lint/suspicious/noTemplateCurlyInString: dollar signs are the subject here
import Handlebars from "handlebars";
import { describe, expect, it } from "vitest";
import { renderConfig, renderText, renderUnit, variablesIn } from "../../src/contract/template.ts";
import type { Json } from "../../src/image/json.ts";
import { errorOf, handlebarsTemplate, valuesOf } from "./contracts.ts";

const values: Readonly<Record<string, Json>> = {
  A: "a<&>",
  EMPTY: "",
  NO: false,
  YES: true,
  ZERO: 0,
  L: ["x", "y", "z"],
  NONE: [],
  O: { k: "v", m: "w" },
  LL: [
    { name: "n1", items: [1, 2] },
    { name: "n2", items: [] },
  ],
  D: { e: { f: ["deep"] } },
};

function render(text: string, given: Readonly<Record<string, Json>> = values): string {
  return renderText(handlebarsTemplate(text), valuesOf(given, "default"));
}

describe("Handlebars templates", () => {
  const same: readonly string[] = [
    "",
    "text only {",
    "{{A}}{{{A}}}{{&A}}",
    "\\{{A}} {{! c }}{{!-- {{x}} --}}.",
    "{{#if A}}\n1\n{{else}}\n2\n{{/if}}\n",
    "  {{#if EMPTY}}\n1\n  {{else if YES}}\n2\n{{else}}3{{/if}}\n",
    "{{#if ZERO}}1{{else}}0{{/if}}{{#if NONE}}1{{else}}0{{/if}}{{#if NO}}1{{^}}0{{/if}}{{#if O}}1{{/if}}",
    "{{#unless NO}}u{{else}}e{{/unless}}{{#unless L}}u{{else}}e{{/unless}}",
    "{{^if A}}n{{/if}}{{#if A}}{{^}}x{{/if}}",
    "{{#each L}}i{{@index}}k{{@key}}f{{@first}}l{{@last}}={{this}} {{/each}}",
    "{{#each O}}{{@key}}/{{@index}}:{{this}}{{#unless @last}}, {{/unless}}{{/each}}",
    "{{#each NONE}}x{{else}}none{{/each}}{{#each A}}x{{else}}no list{{/each}}{{#each ZERO}}x{{else}}zero{{/each}}",
    "{{#each LL}}{{name}}:{{./name}}:{{this.name}}:{{../A}}{{#each items}}{{this}}{{../name}}{{../../A}}{{@root.A}}{{/each}};{{/each}}",
    "{{#each LL as |entry number|}}{{number}}:{{entry.name}}{{#each entry.items as |i|}}-{{i}}/{{number}}{{/each}}{{/each}}",
    "{{#each O as |value key|}}{{key}}={{value}};{{/each}}",
    "{{#with D.e}}{{f.[0]}}{{f.length}}{{../A}}{{else}}no{{/with}}{{#with EMPTY}}x{{else}}empty{{/with}}",
    "{{#with D as |d|}}{{d.e.f.[0]}}{{#if d}}{{d.e.f.length}}{{/if}}{{/with}}",
    "{{#with ZERO}}zero{{this}}{{/with}}",
    "a {{~A~}} b {{~#if YES~}} c {{~/if~}} d",
    "x\n  {{#each L}}\n  - {{this}}\n  {{/each}}\ny\n",
    "{{L.[1]}}{{D.e.f.[0]}}{{D/e/f/length}}{{#if L.length}}l{{/if}}",
    "{{#each L}}{{#if @first}}{{#each ../NONE}}{{else}}{{this}}{{../A}}{{/each}}{{/if}}{{/each}}",
  ];
  it.each(same)("renders %j as Handlebars itself does", (text) => {
    const original = Handlebars.create().compile(text, { noEscape: true, strict: true });
    expect(render(text)).toBe(original(values));
  });

  const names: readonly (readonly [string, readonly string[]])[] = [
    ["{{A}}{{B.c}}{{{D}}}{{A}}", ["A", "B", "D"]],
    ["{{#if A}}{{B}}{{else}}{{C}}{{/if}}{{#unless D}}{{E}}{{/unless}}", ["A", "B", "C", "D", "E"]],
    ["{{#each L}}{{name}}{{this}}{{../A}}{{@root.B}}{{@index}}{{else}}{{C}}{{/each}}", ["L", "A", "B", "C"]],
    ["{{#each L as |x i|}}{{x.y}}{{i}}{{#each x.z}}{{../../A}}{{x}}{{/each}}{{/each}}", ["L", "A"]],
    ['{{systemdArgument A}}{{jsonList (json B)}}{{json "text"}}', ["A", "B"]],
    ["{{#with O}}{{a}}{{../b}}{{/with}}{{! {{c}} }}", ["O", "b"]],
  ];
  it.each(names)("finds the variables of %j", (text, expected) => {
    expect(variablesIn(handlebarsTemplate(text))).toEqual(expected);
  });

  it("4: a name without a value is missing, in an untaken branch too", () => {
    const error = errorOf(() => render("{{A}}{{#if NO}}{{B}}{{/if}}{{#if C}}{{/if}}{{constructor}}{{__proto__}}"));
    expect(error.code).toBe("E_VALUE_MISSING");
    expect(error.message).toBe("/exports/x.hbs has no value for B, C, constructor, __proto__");
  });

  const refused: readonly string[] = [
    "{{A",
    "line\n{{#if A}}",
    "{{#if}}x{{/if}}",
    "{{#if A B}}x{{/if}}",
    "{{#if A includeZero=true}}x{{/if}}",
    "{{> partial}}",
    "{{#> partial}}{{/partial}}",
    '{{#*inline "x"}}{{/inline}}',
    "{{* decorator}}",
    "{{{{raw}}}}x{{{{/raw}}}}",
    '{{lookup O "k"}}',
    "{{log A}}",
    "{{helperMissing A}}",
    "{{#A}}x{{/A}}",
    "{{^A}}x{{/A}}",
    "{{json}}",
    "{{json A L}}",
    "{{each}}",
    "{{this}}",
    "{{../A}}",
    "{{@index}}",
    "{{#each L}}{{@../index}}{{@other}}{{/each}}",
    "{{@root}}",
    '{{"A"}}',
    "{{12}}",
    "{{json null}}",
    "{{json undefined}}",
    "{{#if A as |x|}}{{/if}}",
    `${"{{#if A}}".repeat(200)}${"{{/if}}".repeat(200)}`,
    `{{json ${"(json ".repeat(200)}A${")".repeat(200)}}}`,
    `${"{{#if A}}".repeat(30000)}${"{{/if}}".repeat(30000)}`,
    `{{#if A}}${"{{else if A}}".repeat(30000)}{{/if}}`,
    `{{json ${"(json ".repeat(30000)}A${")".repeat(30000)}}}`,
  ];
  it.each(refused)("refuses %.60j", (text) => {
    const error = errorOf(() => render(text));
    expect(error.code).toBe("E_TEMPLATE");
    expect(error.message).toMatch(/^\/exports\/x\.hbs /);
  });

  const nowhere: readonly string[] = [
    "{{D.x}}",
    "{{A.length}}",
    "{{D.constructor}}",
    "{{D.__proto__}}",
    "{{L.[9]}}",
    "{{L.map}}",
    "{{#each LL}}\n{{A}}{{/each}}",
    "{{#if D.x}}{{/if}}",
  ];
  it.each(nowhere)("%j leads nowhere, which is an error with its line", (text) => {
    const error = errorOf(() => render(text));
    expect(error.code).toBe("E_TEMPLATE");
    expect(error.message).toMatch(/line [12]: \S+ leads nowhere/);
  });

  it("names the line of a syntax error", () => {
    expect(errorOf(() => render("a\nb {{#if}\n")).message).toContain("line 2");
  });

  it("11: dollar signs mean nothing here", () => {
    expect(render("$A $$ ${x} $(y) {{A}}")).toBe("$A $$ ${x} $(y) a<&>");
  });

  it("12: a value is never expanded again", () => {
    expect(render("{{V}}", { V: "{{A}} $A" })).toBe("{{A}} $A");
  });

  it("stops a template that repeats itself without end", () => {
    const list = Array.from({ length: 1000 }, () => 0);
    const text = `${"{{#each @root.L}}".repeat(4)}x${"{{/each}}".repeat(4)}`;
    expect(errorOf(() => render(text, { L: list })).code).toBe("E_TEMPLATE");
  });

  it("helpers write a systemd argument, JSON, a JSON string and a JSON list", () => {
    const given = { W: 'a "b" %n $x', N: 1, L: ["a b", 2], E: "", S: " one  two\tthree " };
    expect(render("{{systemdArgument W}} {{systemdArgument N}} {{systemdArgument E}}", given)).toBe(
      '"a \\"b\\" %%n $$x" 1 ""',
    );
    expect(render("{{json W}} {{json N}} {{json L}}", given)).toBe('"a \\"b\\" %n $x" 1 ["a b",2]');
    expect(render("{{jsonString W}} {{jsonString N}}", given)).toBe('"a \\"b\\" %n $x" "1"');
    expect(render("{{jsonList L}} {{jsonList S}} {{jsonList E}}", given)).toBe('["a b",2] ["one","two","three"] []');
    for (const text of ["{{systemdArgument L}}", "{{jsonString L}}"]) {
      expect(errorOf(() => render(text, given)).code).toBe("E_VALUE");
    }
  });

  it("a systemd argument given with --set is one argument, its percent signs doubled once", () => {
    const template = handlebarsTemplate("[Service]\nExecStart=/x {{systemdArgument V}}\n");
    expect(renderUnit(template, valuesOf({ V: "a b%\\" }))).toBe('[Service]\nExecStart=/x "a b%%\\\\"\n');
    expect(errorOf(() => renderUnit(template, valuesOf({ V: "a\nb" }))).code).toBe("E_VALUE");
  });

  it("16: ALL_PROCESS_CAPABILITIES is a list here", () => {
    const template = handlebarsTemplate('{"bounding": {{jsonList ALL_PROCESS_CAPABILITIES}} }');
    const capabilities = valuesOf({ ALL_PROCESS_CAPABILITIES: ["CAP_CHOWN", "CAP_KILL"] }, "keelson");
    expect(JSON.parse(renderConfig(template, capabilities))).toEqual({ bounding: ["CAP_CHOWN", "CAP_KILL"] });
  });
});
