/** Stands for a value in a neutral rendering. A lone surrogate, so no template's own text can hold it. */
export const neutralToken = "\udc01";

/** Where systemd ends a line. */
export const lineEnd = /\r\n|\n\r|[\n\r\0]/;

/**
 * What systemd makes of one physical line. `name` is the section header as written for a section, the key for a directive
 * and for the lines that continue it, the fields of a tmpfiles entry joined by newlines, and else empty.
 */
export interface LineShape {
  readonly kind: "blank" | "comment" | "section" | "directive" | "more" | "entry" | "other";
  readonly name: string;
  /** The next line belongs to this one. */
  readonly continued: boolean;
  /** Nothing but the places of values, so that one line of any kind may stand here. */
  readonly free: boolean;
}

/**
 * The physical lines of a unit file, read as systemd reads them: comments may stand between continued lines, a
 * carriage return or NUL ends a line. See https://www.freedesktop.org/software/systemd/man/252/systemd.syntax.html
 */
export function unitShape(text: string): readonly LineShape[] {
  let continues: string | undefined;
  return linesOf(text).map((line) => {
    const trimmed = trimBlank(line);
    if (/^[#;]/.test(trimmed)) return { kind: "comment", name: "", continued: continues !== undefined, free: false };
    const continued = backslashesAtEnd(line) % 2 === 1;
    const free = isFree(trimmed);
    const shape: LineShape =
      continues === undefined
        ? { ...firstShape(trimmed), continued, free }
        : { kind: "more", name: continues, continued, free: false };
    continues = continued ? shape.name : undefined;
    return shape;
  });
}

/**
 * The lines of a tmpfiles.d file: their number, what is a comment, and of each entry the fields that stand
 * before the argument. See https://www.freedesktop.org/software/systemd/man/252/tmpfiles.d.html
 */
export function tmpfilesShape(text: string): readonly LineShape[] {
  return linesOf(text).map((line) => {
    const trimmed = trimBlank(line);
    const shape = { name: "", continued: false, free: isFree(trimmed) };
    if (trimmed === "") return { ...shape, kind: "blank" };
    if (trimmed.startsWith("#")) return { ...shape, kind: "comment" };
    return { ...shape, kind: "entry", name: fieldsOf(trimmed).join("\n") };
  });
}

/** Values have left every line of `neutral` what it was. A free line may have become anything but a section or continued. */
export function sameShape(neutral: readonly LineShape[], rendered: readonly LineShape[]): boolean {
  return (
    neutral.length === rendered.length &&
    neutral.every((line, index) => {
      const other = rendered[index];
      if (other === undefined || other.continued !== line.continued) return false;
      if (line.free) return other.kind !== "section";
      if (other.kind !== line.kind) return false;
      return line.kind === "entry" ? sameEntry(line.name, other.name) : sameName(line.name, other.name);
    })
  );
}

/** How many backslashes end the text. A pattern would try each of a long run of them that ends nothing. */
export function backslashesAtEnd(text: string): number {
  let at = text.length;
  while (at > 0 && text[at - 1] === "\\") at--;
  return text.length - at;
}

function linesOf(text: string): readonly string[] {
  return text.split(lineEnd);
}

function firstShape(trimmed: string): { readonly kind: LineShape["kind"]; readonly name: string } {
  if (trimmed === "") return { kind: "blank", name: "" };
  if (trimmed.startsWith("[")) return { kind: "section", name: trimmed };
  const equals = trimmed.indexOf("=");
  return equals < 0 ? { kind: "other", name: "" } : { kind: "directive", name: trimBlank(trimmed.slice(0, equals)) };
}

/** `name` as the template has it; where a value is part of it, the characters of names may stand there. */
function sameName(name: string, rendered: string): boolean {
  if (name === rendered || !name.includes(neutralToken)) return name === rendered;
  const [first = "", last = ""] = [name.split(neutralToken)[0], name.split(neutralToken).at(-1)];
  return rendered.startsWith(first) && rendered.endsWith(last) && /^\[?[A-Za-z0-9_.@ +!=~^-]*\]?$/.test(rendered);
}

/**
 * The fields of a tmpfiles entry before its argument as written, and an empty one if there is an argument, told apart as
 * systemd does: blanks separate, quotes join, a backslash takes the next character along.
 */
function fieldsOf(entry: string): readonly string[] {
  const fields =
    entry.match(/(?:[^ \t"'\\]+|\\.?|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|'[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?$))+/g) ?? [];
  return fields.length > 6 ? [...fields.slice(0, 6), ""] : fields;
}

/** Each field is what the template has, or holds a value; an argument may have become empty. */
function sameEntry(name: string, rendered: string): boolean {
  const [fields, others] = [name.split("\n"), rendered.split("\n")];
  if (fields.length !== others.length && !(fields.length === 7 && others.length === 6)) return false;
  return others.every((other, index) => other === fields[index] || fields[index]?.includes(neutralToken));
}

function isFree(trimmed: string): boolean {
  return trimmed !== "" && trimmed.replaceAll(neutralToken, "").trim() === "";
}

function trimBlank(line: string): string {
  const isBlank = (at: number): boolean => line[at] === " " || line[at] === "\t";
  let [from, to] = [0, line.length];
  while (from < to && isBlank(from)) from++;
  while (to > from && isBlank(to - 1)) to--;
  return line.slice(from, to);
}
