import { KeelsonError, printable } from "../errors.ts";
import { findJsonError } from "./json-error.ts";
import { listItems, openBuffer, type Place, scalarText, valueError } from "./place.ts";
import { positionOf } from "./string-template.ts";
import type { Value } from "./values.ts";

/**
 * A JSON document. A value inside a string literal is escaped as part of it; anywhere else it must be JSON that keeps to
 * its place: one value, or list items or object members with an optional comma before or after (`,{"type":"bind"}`), or
 * nothing. `finish` throws E_CONFIG when the whole is not JSON.
 */
export function openJsonPlace(file: string): Place {
  const buffer = openBuffer(file);
  let inString = false;
  let afterBackslash = false;
  const text = (own: string): void => {
    for (const character of own) {
      if (afterBackslash) afterBackslash = false;
      else if (character === '"') inString = !inString;
      else if (character === "\\") afterBackslash = inString;
    }
    buffer.append(own);
  };
  const value = (given: Value, name: string): void => {
    if (afterBackslash)
      throw misplaced(file, `${printable(name)} stands right after a backslash`, "Remove the backslash.");
    buffer.append(inString ? stringContent(given, name, file) : fragment(given, name, file));
  };
  return {
    text,
    value,
    written: (written, name) => {
      if (written.kind === "systemd") return value({ value: written.text, origin: written.origin }, name);
      if (inString)
        throw misplaced(file, `JSON of ${printable(name)} stands inside a string`, "Remove the quotes around it.");
      buffer.append(written.text);
    },
    finish: () => {
      checkJson(buffer.content(), file);
      return buffer.content();
    },
  };
}

/** Throws E_CONFIG with line and column when `text` is not JSON. */
export function checkJson(text: string, file: string): void {
  try {
    JSON.parse(text);
  } catch {
    // The parser's own error is dropped: it quotes the text around the place, in which a secret may stand.
    const { line, column } = positionOf(text, findJsonError(text) ?? text.length);
    throw new KeelsonError("E_CONFIG", `${file} does not render to JSON: line ${line}, column ${column}`, {
      hint: "Correct the value given with --set that stands there, or the image's template.",
    });
  }
}

function stringContent({ value }: Value, name: string, file: string): string {
  const text = scalarText(value, name, file);
  if (text === undefined) throw valueError(name, file, "is a list or an object and stands inside a JSON string");
  return JSON.stringify(text).slice(1, -1);
}

function fragment({ value, origin }: Value, name: string, file: string): string {
  if (origin === "keelson" && Array.isArray(value)) return listItems(value);
  if (typeof value !== "string") return JSON.stringify(value);
  scalarText(value, name, file);
  const trimmed = value.trim();
  const inner = trimmed.replace(/^,/, "").replace(/,$/, "");
  if (trimmed === "" || trimmed === ",") return value;
  if (inner.trim() !== "" && (isJson(`[${inner}]`) || isJson(`{${inner}}`))) return value;
  throw valueError(name, file, "stands outside a JSON string and is not JSON that keeps to its place");
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function misplaced(file: string, what: string, hint: string): KeelsonError {
  return new KeelsonError("E_TEMPLATE", `${file}: ${what}`, { hint: `${hint} The image has to be built again.` });
}
