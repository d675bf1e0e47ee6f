/**
 * Writes the GVariant types that OSTree objects are made of.
 * Serialisation: https://docs.gtk.org/glib/gvariant-format-strings.html and the GVariant specification, section 2.
 */
export interface Variant {
  readonly bytes: Buffer;
  readonly alignment: 1 | 4 | 8;
  /** Whether every value of this type has the same size, so that a container needs no offset for it. */
  readonly fixed: boolean;
}

/** Type `u`, in big-endian order as OSTree keeps its numbers. */
export function uint32(value: number): Variant {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return { bytes, alignment: 4, fixed: true };
}

/** Type `t`, in big-endian order. */
export function uint64(value: bigint): Variant {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return { bytes, alignment: 8, fixed: true };
}

/** Type `s`: one character a byte, NUL behind it. The caller sees to it that the bytes are UTF-8. */
export function string(text: string): Variant {
  return { bytes: Buffer.from(`${text}\0`, "latin1"), alignment: 1, fixed: false };
}

/** Type `ay`. */
export function byteArray(bytes: Buffer): Variant {
  return { bytes, alignment: 1, fixed: false };
}

/** An array of a type that is not of fixed size; `alignment` is that of the element type, which an empty array needs. */
export function array(items: readonly Variant[], alignment: Variant["alignment"]): Variant {
  const { parts, ends, size } = lay(items);
  const width = offsetWidth(size, ends.length);
  return { bytes: Buffer.concat([...parts, ...ends.map((end) => offset(end, width))]), alignment, fixed: false };
}

/** A tuple. Offsets of its variable members but the last stand at its end, in reverse order. */
export function tuple(items: readonly Variant[]): Variant {
  const { parts, ends, size } = lay(items);
  const alignment = items.reduce<Variant["alignment"]>(
    (widest, item) => Math.max(item.alignment, widest) as Variant["alignment"],
    1,
  );
  const framed = ends.filter((_, index) => index < items.length - 1 && items[index]?.fixed === false).reverse();
  const fixed = items.every((item) => item.fixed);
  const padding = fixed ? (alignment - (size % alignment)) % alignment : 0;
  const width = offsetWidth(size, framed.length);
  const bytes = Buffer.concat([...parts, Buffer.alloc(padding), ...framed.map((end) => offset(end, width))]);
  return { bytes, alignment, fixed };
}

function lay(items: readonly Variant[]): { parts: Buffer[]; ends: number[]; size: number } {
  const parts: Buffer[] = [];
  const ends: number[] = [];
  let size = 0;
  for (const item of items) {
    const padding = (item.alignment - (size % item.alignment)) % item.alignment;
    if (padding > 0) parts.push(Buffer.alloc(padding));
    parts.push(item.bytes);
    size += padding + item.bytes.length;
    ends.push(size);
  }
  return { parts, ends, size };
}

/** A row of a list that is kept by name: `(s` and an `ay` of 32 bytes for each sum `)`, sums as hex. */
export interface NamedSums {
  readonly name: string;
  readonly sums: readonly string[];
}

const sumSize = 32;

/** The array of such rows, all with the same number of sums: what `array` and `tuple` would give, written in one go. */
export function arrayOfSums(rows: readonly NamedSums[]): Variant {
  let size = 0;
  const ends = rows.map(({ name, sums }) => {
    const body = name.length + 1 + sumSize * sums.length;
    size += body + offsetWidth(body, sums.length) * sums.length;
    return size;
  });
  const width = offsetWidth(size, rows.length);
  const bytes = Buffer.alloc(size + width * rows.length);
  let at = 0;
  for (const row of rows) at = writeRow(bytes, at, row);
  for (const end of ends) at = bytes.writeUIntLE(end, at, width);
  return { bytes, alignment: 1, fixed: false };
}

/** Where the next one begins. The last sum needs no offset; those of the others stand at the end, in reverse order. */
function writeRow(bytes: Buffer, start: number, { name, sums }: NamedSums): number {
  const nameSize = name.length + 1;
  const width = offsetWidth(nameSize + sumSize * sums.length, sums.length);
  bytes.write(name, start, "latin1");
  let at = start + nameSize;
  for (const sum of sums) at += bytes.write(sum, at, "hex");
  for (let index = sums.length - 1; index >= 0; index--) at = bytes.writeUIntLE(nameSize + sumSize * index, at, width);
  return at;
}

/** The fewest bytes that can hold the size of the whole container, offsets included. */
function offsetWidth(size: number, count: number): number {
  for (const width of [1, 2, 4]) if (size + count * width < 2 ** (8 * width)) return width;
  return 8;
}

function offset(value: number, width: number): Buffer {
  const bytes = Buffer.alloc(width);
  if (width === 8) bytes.writeBigUInt64LE(BigInt(value));
  else bytes.writeUIntLE(value, 0, width);
  return bytes;
}
