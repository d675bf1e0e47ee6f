/** What may come next in a JSON text. */
type Expected = "value" | "item" | "key" | "member" | "colon" | "separator" | "end";

const tokens = {
  string: /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\u0000-\u001f]*)*"/y,
  scalar: /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y,
  blank: /[ \t\n\r]*/y,
};

/**
 * Where `text` stops being JSON: the index of the first character that cannot stand there, its length when it ends too
 * early, undefined when it is JSON. The built-in parser does not always say. See https://www.rfc-editor.org/rfc/rfc8259
 */
export function findJsonError(text: string): number | undefined {
  const open: string[] = [];
  let expected = "value" as Expected;
  let at = 0;
  for (;;) {
    at = skip(tokens.blank, text, at);
    if (at === text.length) return expected === "end" ? undefined : at;
    const character = text[at] ?? "";
    const after: Expected = open.length === 0 ? "end" : "separator";
    if ((expected === "value" || expected === "item") && (character === "[" || character === "{")) {
      open.push(character === "[" ? "]" : "}");
      expected = character === "[" ? "item" : "member";
      at += 1;
    } else if (
      character === open.at(-1) &&
      (expected === "item" || expected === "member" || expected === "separator")
    ) {
      open.pop();
      expected = open.length === 0 ? "end" : "separator";
      at += 1;
    } else if (expected === "separator" && character === ",") {
      expected = open.at(-1) === "}" ? "key" : "value";
      at += 1;
    } else if (expected === "colon" && character === ":") {
      expected = "value";
      at += 1;
    } else {
      const end = endOfToken(text, at, expected);
      if (end === at) return at;
      expected = expected === "key" || expected === "member" ? "colon" : after;
      at = end;
    }
  }
}

function endOfToken(text: string, at: number, expected: Expected): number {
  if (expected === "key" || expected === "member") return skip(tokens.string, text, at);
  if (expected !== "value" && expected !== "item") return at;
  return Math.max(skip(tokens.string, text, at), skip(tokens.scalar, text, at));
}

function skip(token: RegExp, text: string, at: number): number {
  token.lastIndex = at;
  return token.test(text) ? token.lastIndex : at;
}
