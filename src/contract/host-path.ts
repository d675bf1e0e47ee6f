/** Names a path in hostfs gets on the host: each renamed directory or file to its new path, both latin1 strings. */
export type Renames = ReadonlyMap<string, string>;

/**
 * The path on the host of the hostfs entry `path`: component by component, what has been walked so far is replaced where
 * `renames` names it, so that what lies below a renamed directory moves along.
 */
export function renamedPath(path: string, renames: Renames): string {
  let walked = "";
  for (const component of path.split("/").slice(1)) {
    walked = `${walked}/${component}`;
    walked = renames.get(walked) ?? walked;
  }
  return walked;
}

/** UTF-8 of `text` as a latin1 string, one character a byte, as names in image trees are. */
export function latin1Of(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The inverse of latin1Of; bytes that are not UTF-8 become U+FFFD. */
export function textOf(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

/** `text` is `pattern` with any text in place of each `wildcard`. Linear: patterns come from images. */
export function matchesPattern(pattern: string, wildcard: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split(wildcard);
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** Absolute, without `.`, `..`, empty components, a slash at the end or a NUL; `/` itself is not. */
export function isNormalPath(path: string): boolean {
  return (
    path.startsWith("/") &&
    !path.includes("\0") &&
    path
      .slice(1)
      .split("/")
      .every((part) => part !== "" && part !== "." && part !== "..")
  );
}
