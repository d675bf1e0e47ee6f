import { type Fields, FormatProblem } from "./fields.ts";

/** Keys or certificates: in a file of the host, or in the policy itself. */
export type Material =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "data"; readonly data: Uint8Array };

/** The material under the one of `keys` that is there: `...Path`, `...Data`, and lists of them. Throws FormatProblem. */
export function requiredMaterial(fields: Fields, keys: readonly string[]): readonly Material[] {
  const material = optionalMaterial(fields, keys);
  if (material.length > 0) return material;
  throw new FormatProblem(`${fields.where} has to have exactly one of ${keys.join(", ")}`);
}

/** The same, and empty when none of the keys is there. */
export function optionalMaterial({ where, values }: Fields, keys: readonly string[]): readonly Material[] {
  const present = keys.filter((key) => values.has(key));
  const [key] = present;
  if (key === undefined) return [];
  if (present.length > 1) throw new FormatProblem(`${where} has to have exactly one of ${keys.join(", ")}`);
  const value = values.get(key);
  const texts: unknown = key.endsWith("s") ? value : [value];
  if (!Array.isArray(texts) || texts.length === 0) throw new FormatProblem(`${where}: ${key} is not a list of texts`);
  return texts.map((text: unknown) => {
    if (typeof text !== "string" || text === "") throw new FormatProblem(`${where}: ${key} is not a text`);
    return /Datas?$/.test(key) ? dataOf(text, `${where}: ${key}`) : { kind: "path", path: text };
  });
}

function dataOf(text: string, where: string): Material {
  const compact = text.replace(/[\r\n]/g, "");
  const data = Buffer.from(compact, "base64");
  if (data.toString("base64") !== compact) throw new FormatProblem(`${where} is not base64`);
  return { kind: "data", data };
}
