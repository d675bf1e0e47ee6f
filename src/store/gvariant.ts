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
