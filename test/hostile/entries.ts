import { gnuLong, type HeaderSpec, paxHeader, tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { madeAt } from "./rows.ts";

type More = Omit<HeaderSpec, "name">;

/** Entries of a layer, made at `madeAt`, unless `more` says otherwise. */
export function file(name: string, content: string | Buffer = "", more: More = {}): Buffer {
  return tarEntry({ name, mtime: madeAt, ...more }, content);
}

export function directory(name: string, more: More = {}): Buffer {
  return tarEntry({ name, type: "5", mode: 0o755, mtime: madeAt, ...more });
}

export function symlink(name: string, linkTarget: string, more: More = {}): Buffer {
  return tarEntry({ name, type: "2", mode: 0o777, mtime: madeAt, linkTarget, ...more });
}

export function hardlink(name: string, linkTarget: string): Buffer {
  return tarEntry({ name, type: "1", mtime: madeAt, linkTarget });
}

export function fifo(name: string, more: More = {}): Buffer {
  return tarEntry({ name, type: "6", mtime: madeAt, ...more });
}

export function character(name: string, deviceMajor: number, deviceMinor: number, more: More = {}): Buffer {
  return tarEntry({ name, type: "3", mtime: madeAt, deviceMajor, deviceMinor, ...more });
}

export function whiteout(path: string): Buffer {
  return file(path.replace(/([^/]*)$/, ".wh.$1"));
}

export function opaque(directoryPath: string): Buffer {
  return file(directoryPath === "" ? ".wh..wh..opq" : `${directoryPath}/.wh..wh..opq`);
}

/** The entry with these PAX records before it. */
export function withPax(records: Readonly<Record<string, string>>, entry: Buffer): Buffer {
  return Buffer.concat([paxHeader(Object.entries(records)), entry]);
}

export function withLongName(name: string, entry: Buffer): Buffer {
  return Buffer.concat([gnuLong("L", name), entry]);
}

/** One layer of these entries. */
export function layer(...entries: readonly Buffer[]): Buffer {
  return tarArchive(...entries);
}
