import { KeelsonError, printable } from "../errors.ts";

export const blockSize = 512;
/** -1 would mean "leave it" to chown(2), and 2^32 would wrap to root. */
const ownerLimit = 0xfffffffe;

/**
 * A tar header block, numbers read, extensions not yet applied.
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
export interface TarHeader {
  readonly type: string;
  readonly path: string;
  readonly linkTarget: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly gnu: boolean;
}

/** Reads one block of 512 bytes that is not all zero: v7, ustar, PAX and GNU forms. Throws E_LAYER. */
export function parseHeader(block: Buffer): TarHeader {
  checkSum(block);
  const magic = block.toString("latin1", 257, 263);
  const gnu = magic === "ustar ";
  const ustar = magic === "ustar\0";
  const prefix = ustar ? textField(block, 345, 155) : "";
  const name = textField(block, 0, 100);
  const device = gnu || ustar;
  return {
    type: block.toString("latin1", 156, 157),
    path: prefix === "" ? name : `${prefix}/${name}`,
    linkTarget: textField(block, 157, 100),
    mode: numberField(block, 100, 8, "mode") & 0o7777,
    uid: ownerNumber(numberField(block, 108, 8, "uid")),
    gid: ownerNumber(numberField(block, 116, 8, "gid")),
    size: sizeNumber(numberField(block, 124, 12, "size")),
    mtime: numberField(block, 136, 12, "mtime"),
    deviceMajor: device ? numberField(block, 329, 8, "device number") : 0,
    deviceMinor: device ? numberField(block, 337, 8, "device number") : 0,
    gnu,
  };
}

export function isZeroBlock(block: Buffer): boolean {
  for (let at = 0; at < blockSize; at++) if (block[at] !== 0) return false;
  return true;
}

/** A user or group number, or E_LAYER. */
export function ownerNumber(value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= ownerLimit) return value;
  throw badTar(`an owner is ${value}, outside 0 to ${ownerLimit}`);
}

/** A size in bytes, or E_LAYER. */
export function sizeNumber(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw badTar(`a size is ${value}`);
}

/** Octal, or base 256 when the first bit is set (GNU). */
export function numberField(block: Buffer, offset: number, length: number, what: string): number {
  const first = block[offset] ?? 0;
  if (first & 0x80) return base256(block, offset, length, what);
  const plain = plainOctal(block, offset, length);
  if (plain !== undefined) return plain;
  const text = textField(block, offset, length).trim();
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text)) throw badTar(`the ${what} ${printable(text)} is not octal`);
  return Number.parseInt(text, 8);
}

/** Digits up to the field's end, a NUL or a space with nothing but NULs behind it: what nearly every writer writes. */
function plainOctal(block: Buffer, offset: number, length: number): number | undefined {
  let value = 0;
  let at = offset;
  for (const end = offset + length; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) return undefined;
    value = value * 8 + byte - 0x30;
  }
  if (block[at] === 0x20 && at < offset + length - 1 && block[at + 1] !== 0) return undefined;
  return at === offset ? undefined : value;
}

export function badTar(why: string): KeelsonError {
  return new KeelsonError("E_LAYER", `the layer's tar archive is damaged: ${why}`, {
    hint: "Push or save the image again; if it stays so, the tool that wrote the layer is at fault.",
  });
}

function base256(block: Buffer, offset: number, length: number, what: string): number {
  const negative = block[offset] === 0xff;
  if (!negative && block[offset] !== 0x80) throw badTar(`the ${what} is too large`);
  let value = negative ? -1n : 0n;
  for (let at = offset + 1; at < offset + length; at++) value = value * 256n + BigInt(block[at] ?? 0);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw badTar(`the ${what} is too large`);
  return number;
}

function textField(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset);
  return block.toString("latin1", offset, end < 0 || end > offset + length ? offset + length : end);
}

function checkSum(block: Buffer): void {
  const written = numberField(block, 148, 8, "checksum");
  let sum = 0;
  let high = 0;
  for (let at = 0; at < blockSize; at++) {
    const byte = block[at] ?? 0;
    sum += byte;
    high += byte >> 7;
  }
  // The field itself counts as spaces.
  for (let at = 148; at < 156; at++) {
    const byte = block[at] ?? 0;
    sum += 0x20 - byte;
    high -= byte >> 7;
  }
  // Some old writers summed signed bytes.
  if (written !== sum && written !== sum - 256 * high) throw badTar("a header does not match its checksum");
}
