/**
 * Writes tar archives block by block, damaged ones too. Text is one character a byte. A number is written in octal; text
 * or bytes stand in the field as they are.
 */
export interface HeaderSpec {
  readonly name?: string;
  /** One character; `0` is a regular file. */
  readonly type?: string;
  readonly mode?: Field;
  readonly uid?: Field;
  readonly gid?: Field;
  readonly size?: Field;
  readonly mtime?: Field;
  readonly checksum?: Field;
  readonly linkTarget?: string;
  readonly form?: "v7" | "ustar" | "gnu";
  /** ustar only: what stands before `/` and the name. */
  readonly prefix?: string;
  readonly deviceMajor?: Field;
  readonly deviceMinor?: Field;
  /** Bytes put over the block at these offsets, before the checksum is taken. */
  readonly patches?: readonly (readonly [offset: number, bytes: string | Buffer])[];
}

type Field = number | string | Buffer;

/** Two blocks of zeros. */
export const endMarker = Buffer.alloc(1024);

/** One header block. */
export function tarHeader(spec: HeaderSpec): Buffer {
  const { form = "ustar" } = spec;
  const block = Buffer.alloc(512);
  block.write(spec.name ?? "file", 0, 100, "latin1");
  writeField(block, 100, 8, spec.mode ?? 0o644);
  writeField(block, 108, 8, spec.uid ?? 0);
  writeField(block, 116, 8, spec.gid ?? 0);
  writeField(block, 124, 12, spec.size ?? 0);
  writeField(block, 136, 12, spec.mtime ?? 0);
  block.write(spec.type ?? "0", 156, 1, "latin1");
  block.write(spec.linkTarget ?? "", 157, 100, "latin1");
  if (form !== "v7") {
    block.write(form === "gnu" ? "ustar  \0" : "ustar\x0000", 257, "latin1");
    writeField(block, 329, 8, spec.deviceMajor ?? 0);
    writeField(block, 337, 8, spec.deviceMinor ?? 0);
    block.write(spec.prefix ?? "", 345, 155, "latin1");
  }
  for (const [offset, bytes] of spec.patches ?? []) Buffer.from(bytes as string, "latin1").copy(block, offset);
  block.fill(" ", 148, 156);
  writeField(block, 148, 8, spec.checksum ?? block.reduce((sum, byte) => sum + byte, 0));
  return block;
}

/** A header and its content, filled up to a whole block; the size is the content's unless `spec` says another. */
export function tarEntry(spec: HeaderSpec, content: string | Buffer = ""): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  return Buffer.concat([tarHeader({ size: bytes.length, ...spec }), bytes, padding(bytes.length)]);
}

/** A PAX extended header (`x`) for the next entry, or a global one (`g`). */
export function paxHeader(records: readonly (readonly [key: string, value: string])[], type = "x"): Buffer {
  return tarEntry({ type, name: "PaxHeaders/next" }, records.map(([key, value]) => paxRecord(key, value)).join(""));
}

/** One record with the length it ought to have. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}

/** A GNU long name (`L`) or long link target (`K`) for the next entry. */
export function gnuLong(type: "L" | "K", text: string): Buffer {
  return tarEntry({ type, name: "././@LongLink", form: "gnu" }, `${text}\0`);
}

/** A whole archive: the parts, then the end marker. */
export function tarArchive(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, endMarker]);
}

/** The base 256 form of a number field, two's complement, first bit set. */
export function base256(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(8 * (length - 1), value);
  for (let at = length - 1; at > 0; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = value < 0n ? 0xff : 0x80;
  return bytes;
}

function padding(size: number): Buffer {
  return Buffer.alloc((512 - (size % 512)) % 512);
}

function writeField(block: Buffer, offset: number, length: number, value: Field): void {
  if (Buffer.isBuffer(value)) value.copy(block, offset, 0, length);
  else if (typeof value === "string") block.write(value.padEnd(length, "\0"), offset, length, "latin1");
  else block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, length, "latin1");
}
