import { parse } from "yaml";

/** The one document of a YAML text as plain values: objects, lists, texts, numbers, truth values, null. Throws for what is not YAML, keys given twice among it. */
export function parseYaml(text: string): unknown {
  return parse(text, { schema: "core", maxAliasCount: 100, prettyErrors: true });
}
