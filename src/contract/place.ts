import { KeelsonError, printable } from "../errors.ts";
import type { Json } from "../image/json.ts";
import type { Value } from "./values.ts";

/**
 * The text that a template becomes: it takes the pieces in order and puts each value in as the kind of file demands.
 * Every function may throw E_VALUE or E_TEMPLATE, finish what it documents.
 */
export interface Place {
  /** The template's own words. */
  readonly text: (text: string) => void;
  /** The value of the variable `name`, to be made safe. */
  readonly value: (value: Value, name: string) => void;
  /** What a helper wrote, which is safe where that helper is meant to be used. */
  readonly written: (written: Written, name: string) => void;
  /** Ends the text and gives all of it. */
  readonly finish: () => string;
}

/** What a helper wrote: a systemd argument, or a JSON value, of a variable whose value came from `origin`. */
export interface Written {
  readonly kind: "systemd" | "json";
  readonly text: string;
  readonly origin: Value["origin"];
}

/** No rendered file may be longer, in UTF-16 units. */
const renderedLimit = 16 * 1024 * 1024;

/** A plain place, in which any text may stand. `finish` throws nothing. */
export function openTextPlace(file: string): Place {
  const buffer = openBuffer(file);
  return {
    text: buffer.append,
    value: (value, name) => buffer.append(plainText(value, name, file)),
    written: (written) => buffer.append(written.text),
    finish: buffer.content,
  };
}

/** Text that grows up to a limit. */
export interface TextBuffer {
  readonly append: (text: string) => void;
  readonly content: () => string;
}

/** An empty buffer for `file`; `append` throws E_TEMPLATE when it grows too long. */
export function openBuffer(file: string): TextBuffer {
  let content = "";
  return {
    append: (text) => {
      if (content.length + text.length > renderedLimit) {
        throw new KeelsonError("E_TEMPLATE", `${file} renders to more than ${renderedLimit} characters`, {
          hint: "A template repeats itself or a long value too often; the image has to be built again.",
        });
      }
      content += text;
    },
    content: () => content,
  };
}

/** Text of a string, number or boolean; undefined for a list or an object. Throws E_VALUE for text that has no UTF-8. */
export function scalarText(json: Json, name: string, file: string): string | undefined {
  if (typeof json === "object") return undefined;
  const text = String(json);
  if (!text.isWellFormed()) throw valueError(name, file, "is not well-formed Unicode");
  return text;
}

/** A list that keelson provides (ALL_PROCESS_CAPABILITIES), as the original wrote it: JSON items without brackets. */
export function listItems(items: readonly Json[]): string {
  return items.length === 0 ? "" : `${items.map((item) => JSON.stringify(item)).join(",\n")}\n`;
}

/** An error about the value of `name` in `file`; never repeats the value, which may be a secret. */
export function valueError(name: string, file: string, why: string): KeelsonError {
  return new KeelsonError("E_VALUE", `${file}: the value of ${printable(name)} ${why}`, {
    hint: `Give another value with --set ${printable(name)}=VALUE.`,
  });
}

function plainText({ value, origin }: Value, name: string, file: string): string {
  const text = scalarText(value, name, file);
  if (text !== undefined) return text;
  return origin === "keelson" && Array.isArray(value) ? listItems(value) : JSON.stringify(value);
}
