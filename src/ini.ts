import { parse } from "ini";
import { isObject } from "./image/json.ts";

/** A value in quotes, with or without a comment behind it. */
const quoted = /^([^=]*=\s*)(?:'([^']*)'|("(?:[^"\\]|\\.)*"))\s*(?:[;#].*)?$/gm;

/**
 * An ini file as an object: keys, and sections of keys. A key written `key[]`, several times, has a list. What stands in
 * double quotes is a JSON string, what stands in single quotes is taken as it is.
 */
export function parseIni(text: string): Readonly<Record<string, unknown>> {
  // The parser takes what is in single quotes for JSON of any type, and quotes before a comment for a part of the value.
  const plain = text.replace(quoted, (_, key: string, single: string | undefined, double: string | undefined) => {
    return `${key}${double ?? JSON.stringify(single)}`;
  });
  const parsed: unknown = parse(plain);
  return isObject(parsed) ? parsed : {};
}
