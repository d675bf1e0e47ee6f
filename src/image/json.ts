import { KeelsonError, printable } from "../errors.ts";
import { parseStrictJson } from "./strict-json.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
// biome-ignore lint/suspicious/noExplicitAny: the shape of parsed JSON is checked field by field by whoever reads it
export type JsonObject = { [key: string]: any };

const nestingLimit = 128;

/** An object, not a list and not null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads one JSON object of at most `limit` bytes, UTF-8 without a byte order mark, no key twice. `name` is how messages call
 * it. Throws E_LIMIT for one that is larger, E_MANIFEST for anything else, deep nesting included.
 */
export function parseJsonObject(bytes: Uint8Array, name: string, limit: number): JsonObject {
  if (bytes.length > limit) throw tooLarge(name, limit);
  if (nestsDeeper(bytes, nestingLimit)) throw bad(name, `it is nested more than ${nestingLimit} deep`);
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (error) {
    throw bad(name, `it is not JSON (${printable(error instanceof Error ? error.message : String(error))})`);
  }
  if (!isObject(value)) throw bad(name, "it is not a JSON object");
  return value;
}

/** Counts brackets outside strings; the rest of the grammar is the parser's. */
function nestsDeeper(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) quoted = !quoted;
    else if (quoted && byte === 0x5c) at++;
    else if (!quoted && (byte === 0x5b || byte === 0x7b) && ++depth > limit) return true;
    else if (!quoted && (byte === 0x5d || byte === 0x7d)) depth--;
  }
  return false;
}

/** E_LIMIT for a document that no correct image has. */
function tooLarge(name: string, limit: number): KeelsonError {
  return new KeelsonError("E_LIMIT", `${printable(name)}: it is larger than ${limit} bytes`, {
    hint: "Documents of images are small; check that the reference names an image.",
  });
}

function bad(name: string, why: string): KeelsonError {
  return new KeelsonError("E_MANIFEST", `${printable(name)}: ${why}`, {
    hint: "The source did not give an image; check that the reference names one.",
  });
}
