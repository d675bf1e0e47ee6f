import { KeelsonError } from "../errors.ts";

/** Part of a string template: text to copy, or the variable that stands there. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "variable"; readonly name: string };

/**
 * Reads a template of Python's string.Template: `$NAME`, `${NAME}` and `$$` for a dollar sign.
 * Throws E_TEMPLATE with line and column (from 1) for any other dollar sign.
 * See https://docs.python.org/3/library/string.html#template-strings
 */
export function parseStringTemplate(text: string, file: string): readonly Piece[] {
  const pieces: Piece[] = [];
  const placeholder = /\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})?/g;
  let end = 0;
  for (const match of text.matchAll(placeholder)) {
    const [whole, dollar, plain, braced] = match;
    if (whole === "$") throw invalidPlaceholder(text, match.index, file);
    if (match.index > end) pieces.push({ kind: "text", text: text.slice(end, match.index) });
    const name = plain ?? braced;
    pieces.push(name === undefined ? { kind: "text", text: dollar ?? "" } : { kind: "variable", name });
    end = match.index + whole.length;
  }
  if (end < text.length) pieces.push({ kind: "text", text: text.slice(end) });
  return pieces;
}

/** The line and the column of the character at `index`, both from 1; columns count characters. */
export function positionOf(text: string, index: number): { readonly line: number; readonly column: number } {
  const lines = text.slice(0, index).split(/\r\n|\n|\r/);
  return { line: lines.length, column: [...(lines.at(-1) ?? "")].length + 1 };
}

function invalidPlaceholder(text: string, index: number, file: string): KeelsonError {
  const { line, column } = positionOf(text, index);
  return new KeelsonError("E_TEMPLATE", `${file}: Invalid placeholder in string: line ${line}, col ${column}`, {
    hint: "Write $$ for a dollar sign, $NAME for a variable; the image has to be built again.",
  });
}
