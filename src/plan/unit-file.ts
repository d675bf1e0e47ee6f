import { KeelsonError, printable } from "../errors.ts";

/** One setting of a unit file, continuation lines joined. `line` counts from 1. */
export interface Directive {
  readonly section: string;
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/**
 * The settings of a unit file in order, read as systemd reads them: a backslash at a line's end joins the next line,
 * comments may stand between. Throws E_UNIT for a line that systemd would pass over with a warning, as a setting lost is
 * worse than an error. https://www.freedesktop.org/software/systemd/man/252/systemd.syntax.html
 */
export function parseUnit(text: string, name: string): readonly Directive[] {
  const directives: Directive[] = [];
  let section = "";
  let joined: { text: string; line: number } | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = index + 1;
    if (/^\s*[#;]/.test(raw)) continue;
    const start: { text: string; line: number } = joined ?? { text: "", line };
    if (raw.endsWith("\\")) {
      joined = { text: `${start.text}${raw.slice(0, -1)} `, line: start.line };
      continue;
    }
    joined = undefined;
    const whole = `${start.text}${raw}`.trim();
    if (whole === "") continue;
    const header = /^\[([^\][]+)\]$/.exec(whole);
    const setting = /^([A-Za-z][A-Za-z0-9-]*)\s*=\s*(.*)$/s.exec(whole);
    if (header?.[1] !== undefined) section = header[1];
    else if (setting?.[1] !== undefined && section !== "") {
      directives.push({ section, key: setting[1], value: setting[2] ?? "", line: start.line });
    } else throw malformed(name, start.line, whole);
  }
  if (joined !== undefined) throw malformed(name, joined.line, joined.text.trim());
  return directives;
}

/** What systemd makes of a setting that may stand once: the last value; undefined when it is not set or reset. */
export function lastValue(directives: readonly Directive[], section: string, key: string): string | undefined {
  const value = directives.findLast((directive) => directive.section === section && directive.key === key)?.value;
  return value === "" ? undefined : value;
}

/** All values of a setting that may be repeated; an empty one forgets those before it. */
export function allValues(directives: readonly Directive[], section: string, key: string): readonly string[] {
  const values = directives
    .filter((directive) => directive.section === section && directive.key === key)
    .map(({ value }) => value);
  return values.slice(values.lastIndexOf("") + 1);
}

function malformed(name: string, line: number, text: string): KeelsonError {
  return new KeelsonError(
    "E_UNIT",
    `${name}, line ${line}: systemd would pass over ${printable(JSON.stringify(text.slice(0, 80)))}`,
    {
      hint: "A unit's lines are [Section], Key=value and comments; the image's unit template needs mending.",
    },
  );
}
