import { parse, stringify, TomlError } from "smol-toml";
import { KeelsonError } from "./errors.ts";

/** A TOML file as an object. Throws E_SETTINGS with the file's name and the line. */
export function parseToml(text: string, file: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const why = error.message.split("\n")[0] ?? "";
    throw new KeelsonError("E_SETTINGS", `${file}, line ${error.line}: ${why}`, {
      hint: "The file is TOML, see toml.io; mend the line.",
      cause: error,
    });
  }
}

/** The inverse of parseToml. */
export function formatToml(document: Readonly<Record<string, unknown>>): string {
  return stringify(document);
}
