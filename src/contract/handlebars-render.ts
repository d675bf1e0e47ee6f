import { KeelsonError, printable } from "../errors.ts";
import { isObject, type Json } from "../image/json.ts";
import type { Call, Expression, HandlebarsNode, Path } from "./handlebars.ts";
import { type Place, scalarText, valueError, type Written } from "./place.ts";
import { formatSystemdArgument } from "./systemd-argument.ts";
import type { Value, Values } from "./values.ts";

/** A value and the variable it comes from, for messages. */
interface Found extends Value {
  readonly name: string;
}

/** One round of an each or with block. */
interface Round {
  readonly item: Found;
  readonly key: string | number;
  readonly index: number;
  readonly last: boolean;
}

interface Rendering {
  readonly file: string;
  readonly values: Values;
  readonly place: Place;
  /** Counts what was written, against templates that multiply. */
  readonly steps: { left: number };
}

const stepLimit = 1_000_000;

/**
 * Writes a template into `place`. Each of its variables must have a value. Truth is as in Handlebars: false, 0, "" and an
 * empty list are not true. Throws E_TEMPLATE when a name leads nowhere, E_VALUE as the place does.
 */
export function writeHandlebars(nodes: readonly HandlebarsNode[], file: string, values: Values, place: Place): void {
  writeNodes(nodes, [], { file, values, place, steps: { left: stepLimit } });
}

function writeNodes(nodes: readonly HandlebarsNode[], rounds: readonly Round[], rendering: Rendering): void {
  const { file, place, steps } = rendering;
  for (const node of nodes) {
    steps.left -= 1;
    if (steps.left < 0) throw templateError(file, `takes more than ${stepLimit} steps`);
    switch (node.kind) {
      case "text":
        place.text(node.text);
        break;
      case "path": {
        const found = find(node, rounds, rendering);
        place.value(found, found.name);
        break;
      }
      case "call": {
        const argument = evaluate(node.argument, rounds, rendering);
        place.written(callHelper(node, argument, file), argument.name);
        break;
      }
      case "block": {
        const subject = evaluate(node.subject, rounds, rendering);
        const next = roundsOf(node.block, subject);
        if (next === undefined) writeNodes(node.otherwise, rounds, rendering);
        else for (const round of next) writeNodes(node.body, round === "same" ? rounds : [...rounds, round], rendering);
        break;
      }
    }
  }
}

/** How often a block's body is written and with which items; undefined when its else part is. */
function roundsOf(block: "if" | "unless" | "each" | "with", subject: Found): readonly (Round | "same")[] | undefined {
  const { value } = subject;
  const holds = value !== false && value !== "" && value !== null && !(Array.isArray(value) && value.length === 0);
  switch (block) {
    case "if":
      return holds && value !== 0 ? ["same"] : undefined;
    case "unless":
      return holds && value !== 0 ? undefined : ["same"];
    case "with":
      return holds ? [{ item: subject, key: "", index: 0, last: true }] : undefined;
    case "each": {
      if (typeof value !== "object" || value === null) return undefined;
      const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
      if (keys.length === 0) return undefined;
      return keys.map((key, index) => ({
        item: { ...subject, value: (value as { readonly [key: string | number]: Json })[key] ?? null },
        key,
        index,
        last: index === keys.length - 1,
      }));
    }
  }
}

function evaluate(expression: Expression, rounds: readonly Round[], rendering: Rendering): Found {
  switch (expression.kind) {
    case "path":
      return find(expression, rounds, rendering);
    case "literal":
      return { value: expression.value, origin: "default", name: String(expression.value) };
    case "call": {
      const argument = evaluate(expression.argument, rounds, rendering);
      return { ...argument, value: callHelper(expression, argument, rendering.file).text };
    }
  }
}

function find(path: Path, rounds: readonly Round[], { file, values }: Rendering): Found {
  let found = "variable" in path.base ? rootOf(path.base.variable, values) : baseOf(path.base, rounds);
  for (const part of path.parts) {
    const holder = found.value;
    if ((!isObject(holder) && !Array.isArray(holder)) || !Object.hasOwn(holder, part)) {
      throw templateError(file, `line ${path.line}: ${printable(path.text)} leads nowhere`);
    }
    found = { ...found, value: (holder as { readonly [key: string]: Json })[part] ?? null };
  }
  return found;
}

function rootOf(name: string, values: Values): Found {
  const value = values.get(name);
  if (value === undefined) throw new Error(`${name} has no value; the caller checks all of them`);
  return { ...value, name };
}

function baseOf(base: Exclude<Path["base"], { readonly variable: string }>, rounds: readonly Round[]): Found {
  const round = rounds[base.level - 1];
  if (round === undefined) throw new Error(`block level ${base.level} is not open`);
  switch (base.of) {
    case "item":
      return round.item;
    case "key":
    case "@key":
      return { ...round.item, value: round.key };
    case "@index":
      return { ...round.item, value: round.index };
    case "@first":
      return { ...round.item, value: round.index === 0 };
    case "@last":
      return { ...round.item, value: round.last };
  }
}

function callHelper(call: Call, argument: Found, file: string): Written {
  const { value, origin, name } = argument;
  const scalar = (): string => {
    const text = scalarText(value, name, file);
    if (text === undefined) throw valueError(name, file, `is a list or an object, which ${call.helper} does not take`);
    return text;
  };
  switch (call.helper) {
    case "systemdArgument": {
      const text = formatSystemdArgument(scalar());
      if (text === undefined) throw valueError(name, file, "holds a control character");
      return { kind: "systemd", text, origin };
    }
    case "json":
      return { kind: "json", text: JSON.stringify(value), origin };
    case "jsonString":
      return { kind: "json", text: JSON.stringify(scalar()), origin };
    case "jsonList": {
      const list = Array.isArray(value)
        ? value
        : scalar()
            .split(/\s+/)
            .filter((item) => item !== "");
      return { kind: "json", text: JSON.stringify(list), origin };
    }
  }
}

function templateError(file: string, why: string): KeelsonError {
  return new KeelsonError("E_TEMPLATE", `${file} ${why}`, {
    hint: "Inside each and with, write ../NAME or @root.NAME for a variable; or the image has to be built again.",
  });
}
