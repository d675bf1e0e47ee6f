import Handlebars from "handlebars";
import { KeelsonError, printable } from "../errors.ts";

/** A Handlebars template in the part of the language that keelson knows, names resolved. */
export interface HandlebarsTemplate {
  readonly nodes: readonly HandlebarsNode[];
  /** The variables it names, in order of appearance, each once. */
  readonly variables: readonly string[];
}

export type HandlebarsNode =
  | { readonly kind: "text"; readonly text: string }
  | Path
  | Call
  | {
      readonly kind: "block";
      readonly block: "if" | "unless" | "each" | "with";
      readonly subject: Expression;
      readonly body: readonly HandlebarsNode[];
      readonly otherwise: readonly HandlebarsNode[];
    };

export type Expression = Path | Call | { readonly kind: "literal"; readonly value: string | number | boolean };

/**
 * A value: a variable, or the item (or key, or `@index` and the like) of the each or with block that is `level` blocks
 * deep, the outermost being 1; then `parts` lead into it. `text` is how the template writes it.
 */
export interface Path {
  readonly kind: "path";
  readonly base: { readonly variable: string } | { readonly level: number; readonly of: "item" | "key" | DataName };
  readonly parts: readonly string[];
  readonly text: string;
  readonly line: number;
}

export type DataName = "@index" | "@key" | "@first" | "@last";

export interface Call {
  readonly kind: "call";
  readonly helper: Helper;
  readonly argument: Expression;
  readonly line: number;
}

/** What a template may call; README describes each. */
export type Helper = "systemdArgument" | "json" | "jsonString" | "jsonList";

/** Around a node: the enclosing blocks that have an item of their own, outermost first, and how deep it stands. */
interface Surroundings {
  readonly levels: readonly { readonly each: boolean; readonly names: readonly string[] }[];
  readonly depth: number;
}

interface Reader {
  readonly file: string;
  readonly variables: Set<string>;
}

const depthLimit = 64;
/** Blocks and else parts in a template, and opening parentheses up to the next `{{`. */
const countLimit = 500;
const helpers: readonly string[] = ["systemdArgument", "json", "jsonString", "jsonList"] satisfies readonly Helper[];
const blocks: readonly string[] = ["if", "unless", "each", "with"];
const dataNames: readonly string[] = ["@index", "@key", "@first", "@last"] satisfies readonly DataName[];

/**
 * Reads a template: values, the blocks if, unless, each and with, and keelson's helpers. Partials, decorators and anything
 * else are refused with E_TEMPLATE, as bad syntax is. Handlebars itself only parses: an image's text never becomes code.
 * See https://handlebarsjs.com/guide/
 */
export function parseHandlebars(text: string, file: string): HandlebarsTemplate {
  checkSize(text, file);
  let program: hbs.AST.Program;
  try {
    program = Handlebars.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw templateError(file, `is not a Handlebars template: ${printable(message.replaceAll("\n", " "))}`);
  }
  const reader: Reader = { file, variables: new Set() };
  const nodes = readProgram(program, { levels: [], depth: 0 }, reader);
  return { nodes, variables: [...reader.variables] };
}

/** Refuses templates on which the parser, whose time grows with the square of nesting and worse, would not come back. */
function checkSize(text: string, file: string): void {
  const blockStarts = text.match(/\{\{\{?[~\s]*(?:[#^]|else\b)/g) ?? [];
  if (blockStarts.length > countLimit) throw templateError(file, `holds more than ${countLimit} blocks`);
  const calls = text.split("{{").map((piece) => piece.split("(").length - 1);
  if (calls.slice(1).some((count) => count > countLimit)) {
    throw templateError(file, `holds more than ${countLimit} parentheses in one place`);
  }
}

function readProgram(
  program: hbs.AST.Program | undefined,
  around: Surroundings,
  reader: Reader,
): readonly HandlebarsNode[] {
  if (around.depth > depthLimit) throw templateError(reader.file, `nests blocks more than ${depthLimit} deep`);
  return (program?.body ?? []).flatMap((statement) => readStatement(statement, around, reader));
}

function readStatement(node: hbs.AST.Statement, around: Surroundings, reader: Reader): readonly HandlebarsNode[] {
  switch (node.type) {
    case "CommentStatement":
      return [];
    case "ContentStatement":
      return [{ kind: "text", text: (node as hbs.AST.ContentStatement).value }];
    case "MustacheStatement": {
      const expression = readExpression(node as hbs.AST.MustacheStatement, around, reader);
      if (expression.kind === "literal") throw refused(reader, node, "a literal in place of a variable");
      return [expression];
    }
    case "BlockStatement":
      return [readBlock(node as hbs.AST.BlockStatement, around, reader)];
    default:
      throw refused(reader, node, "a partial or decorator");
  }
}

function readBlock(node: hbs.AST.BlockStatement, around: Surroundings, reader: Reader): HandlebarsNode {
  const block = String(node.path.original);
  if (!blocks.includes(block)) throw refused(reader, node, `{{#${block}}}; the blocks are if, unless, each and with`);
  const [subject] = node.params;
  if (subject === undefined || node.params.length !== 1 || node.hash) {
    throw refused(reader, node, `{{#${block}}} without exactly one value`);
  }
  const deeper = { levels: around.levels, depth: around.depth + 1 };
  const hasItem = block === "each" || block === "with";
  const names = node.program?.blockParams ?? [];
  if (names.length > 0 && !hasItem) throw refused(reader, node, `{{#${block}}} with block parameters`);
  const within = hasItem ? { ...deeper, levels: [...around.levels, { each: block === "each", names }] } : deeper;
  return {
    kind: "block",
    block: block as "if" | "unless" | "each" | "with",
    subject: readExpression(subject, around, reader),
    body: readProgram(node.program, within, reader),
    otherwise: readProgram(node.inverse, deeper, reader),
  };
}

function readExpression(node: hbs.AST.Node, around: Surroundings, reader: Reader): Expression {
  if (around.depth > depthLimit) throw templateError(reader.file, `nests helpers more than ${depthLimit} deep`);
  switch (node.type) {
    case "PathExpression":
      return readPath(node as hbs.AST.PathExpression, around, reader);
    case "StringLiteral":
    case "NumberLiteral":
    case "BooleanLiteral":
      return { kind: "literal", value: (node as hbs.AST.StringLiteral | hbs.AST.NumberLiteral).value };
    case "MustacheStatement":
    case "SubExpression": {
      const { path, params, hash } = node as hbs.AST.SubExpression;
      const helper = String(path.original);
      if (params.length === 0 && !hash && !helpers.includes(helper) && !blocks.includes(helper)) {
        return readExpression(path, around, reader);
      }
      const [argument] = params;
      if (!helpers.includes(helper)) throw refused(reader, node, `${helper}; the helpers are ${helpers.join(", ")}`);
      if (argument === undefined || params.length !== 1 || hash) {
        throw refused(reader, node, `${helper} without exactly one value`);
      }
      const deeper = { ...around, depth: around.depth + 1 };
      const call = { kind: "call", helper: helper as Helper, line: node.loc.start.line } as const;
      return { ...call, argument: readExpression(argument, deeper, reader) };
    }
    default:
      throw refused(reader, node, node.type === "NullLiteral" ? "null" : "undefined");
  }
}

function readPath(node: hbs.AST.PathExpression, around: Surroundings, reader: Reader): Path {
  const { levels } = around;
  const [first, ...rest] = node.parts.map(String);
  const path = { kind: "path", text: node.original, line: node.loc.start.line } as const;
  const variable = (name: string | undefined, parts: readonly string[]): Path => {
    if (name === undefined) throw refused(reader, node, `${node.original}, which names no variable`);
    reader.variables.add(name);
    return { ...path, base: { variable: name }, parts };
  };
  if (node.data) {
    if (first === "root" && node.depth === 0) return variable(rest[0], rest.slice(1));
    const level = levels.findLastIndex(({ each }) => each) + 1;
    if (level === 0 || node.depth > 0 || rest.length > 0 || !dataNames.includes(`@${first}`)) {
      throw refused(reader, node, `${node.original}; inside each there are ${dataNames.join(", ")}`);
    }
    return { ...path, base: { level, of: `@${first}` as DataName }, parts: [] };
  }
  const named = /^(?:\.|this\b)/.test(node.original)
    ? -1
    : levels.findLastIndex(({ names }) => names.includes(first ?? ""));
  if (named >= 0) {
    const of = levels[named]?.names.indexOf(first ?? "") === 0 ? "item" : "key";
    return { ...path, base: { level: named + 1, of }, parts: rest };
  }
  const level = levels.length - node.depth;
  if (level < 0) throw refused(reader, node, `${node.original}, which leads out of the template`);
  if (level === 0) return variable(first, rest);
  return { ...path, base: { level, of: "item" }, parts: first === undefined ? [] : [first, ...rest] };
}

function refused(reader: Reader, node: hbs.AST.Node, what: string): KeelsonError {
  return templateError(reader.file, `line ${node.loc.start.line} uses ${printable(what)}`);
}

function templateError(file: string, why: string): KeelsonError {
  return new KeelsonError("E_TEMPLATE", `${file} ${why}`, {
    hint: "The template is not one that keelson renders; the image has to be built again.",
  });
}
