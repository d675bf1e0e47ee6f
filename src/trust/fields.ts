import { isObject } from "../image/json.ts";

/** Why a document is not what it has to be; the place in it and the reason, for whoever reads it to put into an error. */
export class FormatProblem extends Error {}

/** The members of an object in which every key is known. `where` is how messages call it. Throws FormatProblem. */
export function fieldsOf(value: unknown, where: string, known: readonly string[]): Fields {
  if (!isObject(value)) throw new FormatProblem(`${where} is not an object`);
  const foreign = Object.keys(value).find((key) => !known.includes(key));
  if (foreign !== undefined) throw new FormatProblem(`${where} has the unknown key ${JSON.stringify(foreign)}`);
  return { where, values: new Map(Object.entries(value)) };
}

/** An object of which only known keys can be had. */
export interface Fields {
  readonly where: string;
  readonly values: ReadonlyMap<string, unknown>;
}

/** The text of a key; undefined when the key is not there. Throws FormatProblem for what is no text, or empty. */
export function optionalText({ where, values }: Fields, key: string): string | undefined {
  const value = values.get(key);
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw new FormatProblem(`${where}: ${key} is not a text`);
}

/** The same for a key that has to be there. */
export function requiredText(fields: Fields, key: string): string {
  const text = optionalText(fields, key);
  if (text !== undefined) return text;
  throw new FormatProblem(`${fields.where} has no ${key}`);
}
