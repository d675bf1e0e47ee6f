import { KeelsonError, printable } from "../errors.ts";
import { backslashesAtEnd, lineEnd, neutralToken, sameShape, tmpfilesShape, unitShape } from "./line-shape.ts";
import { openBuffer, openTextPlace, type Place, scalarText, valueError } from "./place.ts";
import type { Value } from "./values.ts";

/** A file that systemd reads line by line. */
export type LineFile = "unit" | "tmpfiles";

/** Stands for a percent sign of a value until its line is known. A lone surrogate, so nothing else can be it. */
const percentMark = "\udc00";

/** Settings whose value is a percentage and in which systemd expands no specifier. */
const percentages = /^(?:CPUQuota|(?:Default|Startup)*Memory[A-Za-z]+|TasksMax|ManagedOOMMemoryPressureLimit)$/;

/** Matches what may never be part of a value; a unit may hold tabs. */
const forbidden = {
  unit: /[\u0000-\u0008\u000a-\u001f\u007f\u2028\u2029]/,
  tmpfiles: /[\u0000-\u001f\u007f\u2028\u2029]/,
};

/**
 * Renders a unit or tmpfiles.d file, in which no value given with --set adds, removes or changes a directive, its section
 * or an entry, and a percent sign given so stays one. `write` writes the template into the place it is given, and is called
 * several times; `set` are the variables of it that were given with --set. Throws E_VALUE.
 */
export function renderLines(
  kind: LineFile,
  file: string,
  set: readonly string[],
  write: (place: Place) => void,
): string {
  const place = openLinePlace(kind, file);
  write(place);
  const marked = place.finish();
  checkShape(kind, file, set, write, marked);
  return kind === "unit" ? writePercents(marked) : marked.replaceAll(percentMark, "%%");
}

function openLinePlace(kind: LineFile, file: string): Place {
  const buffer = openBuffer(file);
  /** How many backslashes end the line so far, and the variable whose value they come from, if one does. */
  let backslashes = 0;
  let last: string | undefined;
  const append = (text: string): void => {
    if (text === "") return;
    if (last !== undefined && backslashes % 2 === 1 && /^[\n\r\0]/.test(text)) {
      throw valueError(last, file, "ends in a backslash, which would continue the line");
    }
    buffer.append(text);
    const run = backslashesAtEnd(text);
    backslashes = run === text.length ? backslashes + run : run;
    last = undefined;
  };
  const put = (text: string, origin: Value["origin"], name: string): void => {
    if (origin === "keelson") return append(text);
    if (forbidden[kind].test(text)) throw valueError(name, file, "holds a control character");
    append(origin === "set" ? text.replaceAll("%", percentMark) : text);
    last = text === "" ? last : name;
  };
  return {
    text: append,
    value: ({ value, origin }, name) => {
      const text = scalarText(value, name, file);
      if (text === undefined) throw valueError(name, file, "is a list or an object and stands in a line");
      put(text, origin, name);
    },
    // A systemd argument has its percent signs doubled already.
    written: (written, name) => put(written.text, written.kind === "systemd" ? "default" : written.origin, name),
    finish: () => {
      append("\n");
      return buffer.content().slice(0, -1);
    },
  };
}

function checkShape(
  kind: LineFile,
  file: string,
  set: readonly string[],
  write: (place: Place) => void,
  rendered: string,
): void {
  if (set.length === 0) return;
  const shapeOf = kind === "unit" ? unitShape : tmpfilesShape;
  const shapeWith = (kept: string | undefined) => {
    const place = openNeutralPlace(file, kept);
    write(place);
    return shapeOf(place.finish());
  };
  const neutral = shapeWith(undefined);
  if (sameShape(neutral, shapeOf(rendered))) return;
  const guilty = set.filter((name) => !sameShape(neutral, shapeWith(name)));
  const names = (guilty.length === 0 ? set : guilty).map(printable).join(", ");
  throw new KeelsonError("E_VALUE", `${file}: the value of ${names} would change the lines around it`, {
    hint: "Give another value with --set; it may not add, hide or continue a line of this file.",
  });
}

/** Writes a token for each value given with --set but that of the variable `kept`. */
function openNeutralPlace(file: string, kept: string | undefined): Place {
  const place = openTextPlace(file);
  return {
    ...place,
    value: (value, name) => {
      if (value.origin === "set" && name !== kept) place.text(neutralToken);
      else place.value(value, name);
    },
    written: (written, name) => {
      if (written.origin === "set" && name !== kept) place.text(neutralToken);
      else place.written(written, name);
    },
  };
}

/** Writes each percent sign of a value as its setting needs it: doubled where systemd expands specifiers. */
function writePercents(marked: string): string {
  if (!marked.includes(percentMark)) return marked;
  const shape = unitShape(marked);
  return marked
    .split(new RegExp(`(${lineEnd.source})`))
    .map((part, index) => {
      const key = shape[index / 2]?.name ?? "";
      return part.replaceAll(percentMark, percentages.test(key) ? "%" : "%%");
    })
    .join("");
}
