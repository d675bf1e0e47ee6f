import { type FileHandle, open } from "node:fs/promises";
import { run } from "../bed/run.ts";

/** When the power has gone, in terms of the disk. */
export interface Moment {
  /** From this length of the log on, */
  readonly from: number;
  /** after this part of what is written there, 0 to 1. */
  readonly part: number;
}

/** What became of the writes that the disk had in its cache, in pieces of 4 KiB. */
export interface LostWrites {
  readonly kept: number;
  readonly lost: number;
  /** How long the log was at that moment. */
  readonly until: number;
}

/** What the disk was told: a write, a flush, or both. */
interface Entry {
  /** Where its bytes are in the log, and where they belong on the disk. */
  readonly at: number;
  readonly offset: number;
  readonly length: number;
  readonly flush: boolean;
}

const sectorSize = 512;
/** A disk writes so much at once or not at all. */
const pieceSize = 4096;

/**
 * Makes `disk` what a real disk is after the power has gone at a moment: `before` with all that was flushed until then, and any
 * part of what was written after the last flush, in any order. `log` is from qemu's blklogwrites, which has the form of the
 * kernel's dm-log-writes (https://docs.kernel.org/admin-guide/device-mapper/log-writes.html).
 */
export async function loseWrites(
  before: string,
  log: string,
  disk: string,
  moment: Moment,
  random: () => number,
): Promise<LostWrites> {
  await run("cp", "--sparse=always", before, disk);
  const [from, to] = [await open(log, "r"), await open(disk, "r+")];
  try {
    const entries = entriesUntil(moment, await readLog(from));
    const flushed = entries.findLastIndex(({ flush }) => flush) + 1;
    for (const entry of entries.slice(0, flushed)) await copyBytes(from, to, entry);
    const last = entries.at(-1);
    const until = last === undefined ? sectorSize : last.at + last.length;
    return { ...(await copySome(from, to, entries.slice(flushed), random)), until };
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}

function entriesUntil({ from, part }: Moment, entries: readonly Entry[]): readonly Entry[] {
  const begun = entries.filter(({ at, length }) => at + length <= from).length;
  return entries.slice(0, begun + Math.round(part * (entries.length - begun)));
}

/** How much of its cache a disk has written by itself is its own affair, too. */
async function copySome(
  from: FileHandle,
  to: FileHandle,
  entries: readonly Entry[],
  random: () => number,
): Promise<Pick<LostWrites, "kept" | "lost">> {
  const share = random();
  const pieces = entries.flatMap(piecesOf);
  const kept = pieces.filter(() => random() < share);
  for (const piece of kept) await copyBytes(from, to, piece);
  return { kept: kept.length, lost: pieces.length - kept.length };
}

type Piece = Omit<Entry, "flush">;

function piecesOf({ at, offset, length }: Piece): readonly Piece[] {
  return Array.from({ length: Math.ceil(length / pieceSize) }, (_, index) => {
    const done = index * pieceSize;
    return { at: at + done, offset: offset + done, length: Math.min(pieceSize, length - done) };
  });
}

/**
 * An entry is a sector of header and the sectors written. It ends where the log breaks off, or where one is missing that was
 * still on its way when qemu was killed: what comes behind that is later than any moment to be looked at.
 */
async function readLog(log: FileHandle): Promise<readonly Entry[]> {
  const { size } = await log.stat();
  const entries: Entry[] = [];
  for (let header = sectorSize; header + sectorSize <= size; ) {
    const bytes = await readBytes(log, header, 24);
    const [sector = 0n, sectors = 0n, flags = 0n] = [0, 8, 16].map((field) => bytes.readBigUInt64LE(field));
    const [at, length] = [header + sectorSize, Number(sectors) * sectorSize];
    if (at + length > size || (length === 0 && flags === 0n)) break;
    entries.push({ at, offset: Number(sector) * sectorSize, length, flush: (flags & 1n) === 1n });
    header = at + length;
  }
  return entries;
}

async function copyBytes(from: FileHandle, to: FileHandle, { at, offset, length }: Piece): Promise<void> {
  await to.write(await readBytes(from, at, length), 0, length, offset);
}

async function readBytes(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  if (bytesRead !== length) throw new Error(`only ${bytesRead} of ${length} bytes are at ${at}`);
  return bytes;
}
