import { parseContract } from "../../../src/contract/contract.ts";
import {
  renderConfig,
  renderText,
  renderTmpfiles,
  renderUnit,
  type Template,
  variablesIn,
} from "../../../src/contract/template.ts";
import { parseSet, type Value, type Values } from "../../../src/contract/values.ts";
import { parseTmpfiles } from "../../../src/plan/tmpfiles.ts";
import { launchOf } from "../../../src/plan/unit.ts";
import { parseUnit } from "../../../src/plan/unit-file.ts";
import { configTemplate, contractManifest, serviceTemplate } from "../../bed/etcd-like.ts";
import { expectSame } from "../same.ts";
import type { Target } from "../target.ts";
import { attempt } from "./documents.ts";

/** Stands between a template and the value that is set for its variables. */
const border = "\u0003";
const forms = ["string-template", "handlebars", "verbatim"] as const;
const files = ["config", "unit", "tmpfiles"] as const;
/** The first character says in which form the template is, and of which file. */
const seed = (template: string, value: string): Buffer => Buffer.from(`${template}${border}${value}`);

/** Templates of images with values of strangers: a value changes no line, no key and no shape of JSON. */
export const templates: Target = {
  name: "templates",
  seeds: [
    seed(`0${serviceTemplate}`, "value"),
    seed(
      "1[Service]\nExecStart={{A}} '{{B}}' \"$x\"\n{{#if A}}User={{{A}}}\n{{/if}}{{#each B}}Key={{this}}\n{{/each}}",
      "/bin/x %i",
    ),
    seed(`6${configTemplate()}`, '"]}'),
    seed('7{"a":"{{A}}","b":[{{B}}],"c":{{json A}}}', "1"),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the template's
    seed("3d $A 0755 0 0 - -\nL+ /x/${B} - - - - $A\n", "/var/x"),
    seed(`2${JSON.stringify(contractManifest)}`, "a b"),
    seed(`2${serviceTemplate}`, serviceTemplate),
  ],
  words: [
    "$A",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the template's
    "${A}",
    "$$",
    "{{A}}",
    "{{{A}}}",
    "{{#if A}}",
    "{{/if}}",
    "{{#each B}}",
    "{{else}}",
    "{{!--",
    "--}}",
    "{{json A}}",
    "[Service]\n",
    "ExecStart=",
    "\\\n",
    "\n",
    "#",
    ";",
    "%",
    '"',
    "\\",
    "\\u",
    "'",
    "{",
    "}",
    "]",
    ",",
    ":",
    "\r",
    "\u2028",
    border,
  ],
  run(input) {
    const [text = "", value = "x"] = input.toString("utf8").split(border);
    const chosen = text.charCodeAt(0) || 0;
    const kind = forms[chosen % 3] ?? "verbatim";
    const template: Template = { kind, name: "input", text: text.slice(1) };
    attempt(() => parseSet([text, value]));
    if (kind === "verbatim") checkFiles(template, value);
    const variables = attempt(() => variablesIn(template));
    if (variables === undefined) return;
    const [given, plain] = [valuesOf(variables, value), valuesOf(variables, "x")];
    attempt(() => renderText(template, given));
    switch (files[Math.floor(chosen / 3) % 3]) {
      case "unit":
        launchOf(template);
        return checkLines(template, given, plain);
      case "tmpfiles":
        return void attempt(() => parseTmpfiles(renderTmpfiles(template, given), "rendered"));
      default:
        return checkConfig(template, given, plain);
    }
  },
};

/** What is not rendered, or has been: an image's files, units and tmpfiles lines. */
function checkFiles({ text }: Template, value: string): void {
  const controls = new Map([
    ["manifest.json", text],
    ["service.template", value],
    ["config.json.hbs", text],
  ]);
  attempt(() => parseContract({ controls, hostfs: [] }));
  attempt(() => parseUnit(text, "input"));
  attempt(() => parseTmpfiles(text, "input"));
}

function valuesOf(variables: readonly string[], value: string): Values {
  return new Map(variables.map((name): [string, Value] => [name, { value, origin: "set" }]));
}

/** Of a template in which values stand for words: the keys of the lines are the same whatever the value is. */
function checkLines(template: Template, given: Values, plain: Values): void {
  const keysOf = (values: Values): readonly string[] | undefined =>
    attempt(() => parseUnit(renderUnit(template, values), "rendered").map(({ section, key }) => `${section} ${key}`));
  const [found, wanted] = [keysOf(given), keysOf(plain)];
  // A block helper may leave lines out, and where a value is part of a key it chooses it.
  const lines = template.text.split("\n");
  const chooses = (line: string): boolean => line.includes("$") && !/^[A-Za-z][A-Za-z0-9-]*\s*=/.test(line);
  const steady = template.kind !== "handlebars" && !lines.some(chooses);
  if (steady && found !== undefined && wanted !== undefined) expectSame(found, wanted);
}

function checkConfig(template: Template, given: Values, plain: Values): void {
  const found = attempt(() => renderConfig(template, given));
  const wanted = attempt(() => renderConfig(template, plain));
  if (found === undefined) return;
  const shape = shapeOf(JSON.parse(found));
  if (wanted !== undefined && template.kind === "string-template") expectSame(shape, shapeOf(JSON.parse(wanted)));
}

/** Of a JSON document how its objects and lists nest, below which a value may stand alone. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value === "object" && value !== null) return Object.values(value).map(shapeOf);
  return "leaf";
}
