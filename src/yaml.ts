import { parse, stringify } from "yaml";

/** The one document of a YAML text as plain values: objects, lists, texts, numbers, truth values, null. Throws for what is not YAML, keys given twice among it. */
export function parseYaml(text: string): unknown {
  return parse(text, { schema: "core", maxAliasCount: 100, prettyErrors: true });
}

/** Like parseYaml, with every scalar as the text that it is written as: `1.10` stays a tag. */
export function parseYamlTexts(text: string): unknown {
  return parse(text, { schema: "failsafe", maxAliasCount: 100, prettyErrors: true });
}

/** A YAML text of plain values; keys that are undefined are left out. */
export function formatYaml(value: unknown): string {
  return stringify(value, { version: "1.1", lineWidth: 0 });
}
