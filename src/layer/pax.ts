import { KeelsonError, printable } from "../errors.ts";
import { badTar } from "./header.ts";

/** A PAX or GNU extension larger than this is refused where nothing else is said, in bytes. */
export const standardExtensionLimit = 1024 * 1024;

/**
 * The records of a PAX extended header, `LENGTH KEY=VALUE\n`, later ones winning; keys and values one character a byte.
 * Throws E_LAYER for any malformed record. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_03
 */
export function parsePax(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : bytes.toString("latin1", at, space);
    if (!/^[0-9]{1,7}$/.test(digits)) throw badTar("a PAX record has no length");
    const end = at + Number(digits);
    if (end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw badTar("a PAX record's length is wrong");
    const record = bytes.toString("latin1", space + 1, end - 1);
    const equals = record.indexOf("=");
    if (equals <= 0) throw badTar("a PAX record has no key");
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key.includes("\0") || (!key.startsWith("SCHILY.xattr.") && value.includes("\0"))) {
      throw badTar("a PAX record contains a NUL byte");
    }
    records.set(key, value);
    at = end;
  }
  return records;
}

/** A whole decimal number of a PAX record; undefined when the key is absent. Throws E_LAYER. */
export function paxInteger(records: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = records.get(key);
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,16}$/.test(text)) throw badTar(`the PAX ${key} is not a number`);
  return Number(text);
}

/** Seconds with a fraction, negative before 1970; undefined when the key is absent. Throws E_LAYER. */
export function paxTime(records: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = records.get(key);
  if (text === undefined) return undefined;
  // As much as a header's own field may hold.
  if (!/^-?[0-9]{1,16}(?:\.[0-9]*)?$/.test(text) || Math.abs(Number(text)) > Number.MAX_SAFE_INTEGER)
    throw badTar(`the PAX ${key} is not a time`);
  return Number(text);
}

/** Throws E_LAYER: a global header would change every entry behind it; no builder of layers writes more than a comment. */
export function checkGlobal(records: ReadonlyMap<string, string>): void {
  for (const key of records.keys()) {
    if (key !== "comment") throw badTar(`a global header sets ${printable(key)} for every entry`);
  }
}

/** E_LIMIT for an extension header. */
export function extensionTooLarge(size: number, limit: number): KeelsonError {
  return new KeelsonError("E_LIMIT", `an extension header of ${size} bytes is larger than ${limit} bytes`, {
    hint: "Few images have such names or attributes; raise header_size in keelson.conf if this one is meant to.",
  });
}
