import { parse } from "yaml";

/** The one document of a YAML text as plain values: objects, lists, texts, numbers, truth values, null. Throws for what is not YAML, keys given twice among it. */
export function parseYaml(text: string): unknown {
  return parse(text, { schema: "core", maxAliasCount: 100, prettyErrors: true });
}

/** Like parseYaml, with every scalar as the text that it is written as: `1.10` stays a tag. */
export function parseYamlTexts(text: string): unknown {
  return parse(text, { schema: "failsafe", maxAliasCount: 100, prettyErrors: true });
}
