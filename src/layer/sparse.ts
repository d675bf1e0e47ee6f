import { badTar, numberField, sizeNumber } from "./header.ts";
import { paxInteger } from "./pax.ts";

/** Where the bytes kept in the archive belong in the file; what lies between is zero. Sorted, not overlapping. */
export interface SparseMap {
  readonly realSize: number;
  readonly segments: readonly Segment[];
}

export interface Segment {
  readonly offset: number;
  readonly length: number;
}

const segmentLimit = 100_000;
const zeros = Buffer.alloc(64 * 1024);

/** Checks order, overlap and bounds, and that the segments take exactly `packed` bytes. Throws E_LAYER. */
export function sparseMap(segments: readonly Segment[], realSize: number, packed: number): SparseMap {
  let position = 0;
  let total = 0;
  for (const { offset, length } of segments) {
    if (offset < position || offset + length > realSize) throw badTar("a sparse map is out of order or too long");
    position = offset + length;
    total += length;
  }
  if (total !== packed) throw badTar("a sparse map does not account for the bytes stored");
  return { realSize, segments: segments.filter((segment) => segment.length > 0) };
}

/** Segments in an old GNU header (4 from byte 386) or in one of its extension blocks (21 from byte 0). */
export function gnuSegments(block: Buffer, from: number, count: number): readonly Segment[] {
  const segments: Segment[] = [];
  for (let index = 0; index < count; index++) {
    const at = from + index * 24;
    if (block[at] === 0) break;
    segments.push(
      segmentOf(numberField(block, at, 12, "sparse offset"), numberField(block, at + 12, 12, "sparse size")),
    );
  }
  return segments;
}

export function gnuRealSize(block: Buffer): number {
  return sizeNumber(numberField(block, 483, 12, "sparse file size"));
}

/** Segments of PAX formats 0.0 and 0.1 (`GNU.sparse.map`); undefined when the records hold none. */
export function paxSegments(records: ReadonlyMap<string, string>): readonly Segment[] | undefined {
  const map = records.get("GNU.sparse.map");
  if (map === undefined) {
    if (records.has("GNU.sparse.offset")) throw badTar("a sparse file of PAX format 0.0 cannot be read");
    return undefined;
  }
  const numbers = map === "" ? [] : map.split(",").map(decimal);
  return pairs(numbers);
}

/** True for PAX format 1.0, whose map stands before the data. */
export function isPaxSparse1(records: ReadonlyMap<string, string>): boolean {
  return paxInteger(records, "GNU.sparse.major") === 1 && (paxInteger(records, "GNU.sparse.minor") ?? 0) === 0;
}

/**
 * Reads the map of PAX format 1.0 from the beginning of the data: decimal lines, first their count, padded to whole
 * blocks. The function takes one block at a time; undefined: more are needed. `blocks` is how many the map takes.
 */
export function openPaxSparse1(): (
  block: Buffer,
) => { readonly segments: readonly Segment[]; readonly blocks: number } | undefined {
  const blocks: Buffer[] = [];
  let newlines = 0;
  let wanted: number | undefined;
  return (block) => {
    blocks.push(Buffer.from(block));
    for (const byte of block) if (byte === 0x0a) newlines++;
    if (wanted === undefined && newlines > 0) wanted = 1 + 2 * segmentCount(Buffer.concat(blocks));
    if (wanted === undefined || newlines < wanted) return undefined;
    const lines = Buffer.concat(blocks).toString("latin1").split("\n", wanted);
    return { segments: pairs(lines.slice(1).map(decimal)), blocks: blocks.length };
  };
}

function segmentCount(map: Buffer): number {
  const count = decimal(map.toString("latin1", 0, map.indexOf(0x0a)));
  if (count > segmentLimit) throw badTar("a sparse map is too long");
  return count;
}

/** Turns the packed bytes of a sparse file into all its bytes. */
export function expander(
  map: SparseMap,
  deliver: (chunk: Buffer) => void,
): { write(chunk: Buffer): void; finish(): void } {
  let position = 0;
  let index = 0;
  function fill(to: number): void {
    while (position < to) {
      const chunk = zeros.subarray(0, Math.min(zeros.length, to - position));
      deliver(chunk);
      position += chunk.length;
    }
  }
  return {
    write(chunk) {
      let rest = chunk;
      while (rest.length > 0) {
        const segment = map.segments[index];
        if (segment === undefined) throw badTar("a sparse file has more bytes than its map");
        fill(segment.offset);
        const part = rest.subarray(0, segment.offset + segment.length - position);
        deliver(part);
        position += part.length;
        rest = rest.subarray(part.length);
        if (position === segment.offset + segment.length) index++;
      }
    },
    finish: () => fill(map.realSize),
  };
}

function pairs(numbers: readonly number[]): readonly Segment[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * segmentLimit) throw badTar("a sparse map is not made of pairs");
  const segments: Segment[] = [];
  for (let at = 0; at < numbers.length; at += 2) segments.push(segmentOf(numbers[at] ?? 0, numbers[at + 1] ?? 0));
  return segments;
}

function segmentOf(offset: number, length: number): Segment {
  return { offset: sizeNumber(offset), length: sizeNumber(length) };
}

function decimal(text: string): number {
  if (!/^[0-9]{1,16}$/.test(text)) throw badTar("a sparse map is not made of numbers");
  return sizeNumber(Number(text));
}
