import type { TarEntry } from "../../src/layer/entry.ts";
import { openTarReader } from "../../src/layer/tar.ts";
import { type HeaderSpec, tarArchive, tarEntry } from "../bed/tar-writer.ts";

export interface ReadEntry {
  readonly entry: TarEntry;
  readonly content: string;
}

/** Reads a whole archive, given in pieces that end at `cuts`; content one character a byte. */
export function readTar(archive: Buffer, cuts: readonly number[] = []): readonly ReadEntry[] {
  const found: ReadEntry[] = [];
  let entry: TarEntry | undefined;
  let parts: Buffer[] = [];
  const reader = openTarReader({
    entry(next) {
      if (entry !== undefined) throw new Error("an entry began before the last one ended");
      entry = next;
    },
    data: (chunk) => parts.push(Buffer.from(chunk)),
    end() {
      if (entry === undefined) throw new Error("an entry ended that had not begun");
      found.push({ entry, content: Buffer.concat(parts).toString("latin1") });
      entry = undefined;
      parts = [];
    },
  });
  const ends = [...cuts].map((cut) => cut % (archive.length + 1)).sort((a, b) => a - b);
  let from = 0;
  for (const to of [...ends, archive.length]) {
    // The reader may not keep what it is given: each piece is wiped once it has returned.
    const piece = Buffer.from(archive.subarray(from, to));
    reader.write(piece);
    piece.fill(0xee);
    from = to;
  }
  reader.finish();
  return found;
}

/** The entries of an archive made of one header and its content. */
export function readOne(spec: HeaderSpec, content = ""): ReadEntry {
  return onlyOne(readTar(tarArchive(tarEntry(spec, content))));
}

export function onlyOne(entries: readonly ReadEntry[]): ReadEntry {
  const [first] = entries;
  if (first === undefined || entries.length !== 1) throw new Error(`${entries.length} entries instead of one`);
  return first;
}
