import { KeelsonError, printable } from "../errors.ts";
import { parseHandlebars } from "./handlebars.ts";
import { writeHandlebars } from "./handlebars-render.ts";
import { checkJson, openJsonPlace } from "./json-place.ts";
import { type LineFile, renderLines } from "./line-place.ts";
import { openTextPlace, type Place } from "./place.ts";
import { parseStringTemplate } from "./string-template.ts";
import type { Values } from "./values.ts";

/** A file of an image that keelson renders: by Python's string.Template, by Handlebars, or as it is. */
export interface Template {
  readonly kind: "string-template" | "handlebars" | "verbatim";
  /** How messages call it: `/exports/service.template`. */
  readonly name: string;
  readonly text: string;
}

interface ParsedTemplate {
  readonly variables: readonly string[];
  readonly write: (values: Values, place: Place) => void;
}

/** What has been read of templates that are still in use: each is asked for its variables and rendered. */
const parsedTemplates = new WeakMap<Template, ParsedTemplate>();

/** The variables a template names, each once, in order of appearance. Throws E_TEMPLATE for bad syntax. */
export function variablesIn(template: Template): readonly string[] {
  return parse(template).variables;
}

/**
 * Text in which any character may stand: a host file, a path. All functions here throw E_TEMPLATE for bad syntax and
 * E_VALUE_MISSING, naming the file and every variable of it that has no value; values are never expanded again.
 */
export function renderText(template: Template, values: Values): string {
  const place = openTextPlace(template.name);
  write(parse(template), template, values, place);
  return place.finish();
}

/** A systemd unit, in which values given with --set cannot change what the lines are. Throws E_VALUE. */
export function renderUnit(template: Template, values: Values): string {
  return renderLineFile("unit", template, values);
}

/** A tmpfiles.d file, in which values given with --set cannot change what the lines are. Throws E_VALUE. */
export function renderTmpfiles(template: Template, values: Values): string {
  return renderLineFile("tmpfiles", template, values);
}

/**
 * A JSON document, in which each value stands escaped in its string or is JSON of its own. Throws E_VALUE, and E_CONFIG
 * when the result is not JSON, verbatim text included. The text is kept as the template laid it out.
 */
export function renderConfig(template: Template, values: Values): string {
  if (template.kind === "verbatim") {
    checkJson(template.text, template.name);
    return template.text;
  }
  const place = openJsonPlace(template.name);
  write(parse(template), template, values, place);
  return place.finish();
}

function renderLineFile(kind: LineFile, template: Template, values: Values): string {
  if (template.kind === "verbatim") return template.text;
  const parsed = parse(template);
  const set = parsed.variables.filter((name) => values.get(name)?.origin === "set");
  return renderLines(kind, template.name, set, (place) => write(parsed, template, values, place));
}

function parse(template: Template): ParsedTemplate {
  const known = parsedTemplates.get(template);
  if (known !== undefined) return known;
  const parsed = parseAnew(template);
  parsedTemplates.set(template, parsed);
  return parsed;
}

function parseAnew(template: Template): ParsedTemplate {
  switch (template.kind) {
    case "verbatim":
      return { variables: [], write: (_, place) => place.text(template.text) };
    case "handlebars": {
      const { nodes, variables } = parseHandlebars(template.text, template.name);
      return { variables, write: (values, place) => writeHandlebars(nodes, template.name, values, place) };
    }
    case "string-template": {
      const pieces = parseStringTemplate(template.text, template.name);
      const names = pieces.flatMap((piece) => (piece.kind === "variable" ? [piece.name] : []));
      return {
        variables: [...new Set(names)],
        write: (values, place) => {
          for (const piece of pieces) {
            if (piece.kind === "text") place.text(piece.text);
            else {
              const value = values.get(piece.name);
              if (value !== undefined) place.value(value, piece.name);
            }
          }
        },
      };
    }
  }
}

function write(parsed: ParsedTemplate, template: Template, values: Values, place: Place): void {
  const missing = parsed.variables.filter((name) => !values.has(name)).map(printable);
  if (missing.length > 0) {
    throw new KeelsonError("E_VALUE_MISSING", `${template.name} has no value for ${missing.join(", ")}`, {
      hint: `Give each a value: ${missing.map((name) => `--set ${name}=VALUE`).join(" ")}`,
    });
  }
  parsed.write(values, place);
}
