import { parse } from "ini";
import { isObject } from "./image/json.ts";

/** An ini file as an object: keys, and sections of keys. A key written `key[]`, several times, has a list. */
export function parseIni(text: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = parse(text);
  return isObject(parsed) ? parsed : {};
}
