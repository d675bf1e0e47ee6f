import type { Attributes, EntryKind, TarEntry, Xattrs } from "./entry.ts";
import { badTar, blockSize, isZeroBlock, ownerNumber, parseHeader, sizeNumber, type TarHeader } from "./header.ts";
import { extensionLimit, parsePax, paxInteger, paxTime } from "./pax.ts";
import {
  gnuRealSize,
  gnuSegments,
  isPaxSparse1,
  parsePaxSparse1,
  paxSegments,
  type Segment,
  type SparseMap,
  sparseMap,
} from "./sparse.ts";

/** What the reader calls, in archive order: `entry`, then for a file `data` until its size is reached, then `end`. */
export interface TarSink {
  entry(entry: TarEntry): void;
  data(chunk: Buffer): void;
  end(): void;
}

export interface TarReader {
  /** Takes the next bytes; the buffer may be reused when this returns. Throws E_LAYER. */
  write(chunk: Buffer): void;
  /** Says that there are no more. Throws E_LAYER when the archive stops inside an entry. */
  finish(): void;
}

const kinds: Readonly<Record<string, EntryKind>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  S: "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
const extensions = "xgLK";
const zeros = Buffer.alloc(64 * 1024);

interface Pending {
  pax: Map<string, string>;
  longName: string | undefined;
  longLink: string | undefined;
}

/**
 * Reads tar: v7, ustar, PAX, GNU long names, GNU and PAX sparse files (expanded). Nothing is skipped: what it does not
 * know it refuses, what is damaged it refuses. Bytes behind the end marker are ignored.
 */
export function openTarReader(sink: TarSink): TarReader {
  let step: (block: Buffer) => void = readHeader;
  let carry = Buffer.alloc(0);
  let content: ContentReader | undefined;
  let zeroBlocks = 0;
  let pending: Pending = { pax: new Map(), longName: undefined, longLink: undefined };

  function readHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      zeroBlocks++;
      return;
    }
    if (zeroBlocks > 0) throw badTar("an entry follows a lone block of zeros");
    const header = parseHeader(block);
    if (extensions.includes(header.type)) readExtension(header);
    else if (header.type === "S") readOldSparse(header, block);
    else beginEntry(header, undefined);
  }

  function readExtension(header: TarHeader): void {
    if (header.size > extensionLimit) throw badTar(`an extension header is larger than ${extensionLimit} bytes`);
    collect(header.size, (bytes) => {
      if (header.type === "x") pending.pax = parsePax(bytes);
      else if (header.type === "g") checkGlobal(parsePax(bytes));
      else if (header.type === "L") pending.longName = untilNul(bytes);
      else pending.longLink = untilNul(bytes);
    });
  }

  function collect(size: number, then: (bytes: Buffer) => void): void {
    const parts: Buffer[] = [];
    content = contentReader(
      size,
      (part) => parts.push(Buffer.from(part)),
      () => then(Buffer.concat(parts)),
    );
  }

  function readOldSparse(header: TarHeader, block: Buffer): void {
    const segments: Segment[] = [...gnuSegments(block, 386, 4)];
    const realSize = gnuRealSize(block);
    const begin = (): void => {
      step = readHeader;
      beginEntry(header, sparseMap(segments, realSize, header.size));
    };
    if (block[482] === 0) return begin();
    step = (extension) => {
      segments.push(...gnuSegments(extension, 0, 21));
      if (segments.length > 100_000) throw badTar("a sparse map is too long");
      if (extension[504] === 0) begin();
    };
  }

  function beginEntry(header: TarHeader, oldSparse: SparseMap | undefined): void {
    const { pax, longName, longLink } = pending;
    pending = { pax: new Map(), longName: undefined, longLink: undefined };
    const path = pax.get("GNU.sparse.name") ?? pax.get("path") ?? longName ?? header.path;
    let kind = kinds[header.type];
    if (kind === undefined) throw badTar(`an entry has the unknown type ${JSON.stringify(header.type)}`);
    if (kind === "file" && !header.gnu && path.endsWith("/")) kind = "directory";
    const stored = kind === "file" ? sizeNumber(paxInteger(pax, "size") ?? header.size) : 0;
    const draft = { kind, path, linkTarget: pax.get("linkpath") ?? longLink ?? header.linkTarget, ...deviceOf(header) };
    const attributes = attributesOf(header, pax);
    if (kind === "file" && isPaxSparse1(pax)) return beginPaxSparse1(draft, attributes, pax, stored);
    const segments = kind === "file" ? paxSegments(pax) : undefined;
    const sparse = segments ? sparseMap(segments, paxRealSize(pax), stored) : oldSparse;
    beginContent({ ...draft, attributes, size: sparse?.realSize ?? stored }, stored, sparse);
  }

  function beginPaxSparse1(
    draft: Omit<TarEntry, "size" | "attributes">,
    attributes: Attributes,
    pax: Map<string, string>,
    stored: number,
  ): void {
    let map = Buffer.alloc(0);
    step = (block) => {
      map = Buffer.concat([map, block]);
      if (map.length > stored || map.length > extensionLimit) throw badTar("a sparse map is longer than its file");
      const parsed = parsePaxSparse1(map);
      if (parsed === undefined) return;
      step = readHeader;
      const packed = stored - parsed.blocks * blockSize;
      const sparse = sparseMap(parsed.segments, paxRealSize(pax), packed);
      beginContent({ ...draft, attributes, size: sparse.realSize }, packed, sparse);
    };
  }

  function beginContent(entry: TarEntry, stored: number, sparse: SparseMap | undefined): void {
    sink.entry(entry);
    if (entry.kind !== "file") return sink.end();
    const expand = sparse === undefined ? undefined : expander(sparse, (chunk) => sink.data(chunk));
    const deliver = expand?.write ?? ((chunk: Buffer): void => sink.data(chunk));
    content = contentReader(stored, deliver, () => {
      expand?.finish();
      sink.end();
    });
  }

  return {
    write(chunk) {
      let rest = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
      while (zeroBlocks < 2) {
        if (content !== undefined) {
          rest = content.take(rest);
          if (!content.done()) break;
          content = undefined;
          continue;
        }
        if (rest.length < blockSize) break;
        step(rest.subarray(0, blockSize));
        rest = rest.subarray(blockSize);
      }
      carry = zeroBlocks < 2 ? Buffer.from(rest) : Buffer.alloc(0);
    },
    finish() {
      if (zeroBlocks < 2 && (content !== undefined || carry.length > 0 || step !== readHeader || hasPending(pending))) {
        throw badTar("it ends inside an entry");
      }
    },
  };
}

interface ContentReader {
  take(bytes: Buffer): Buffer;
  done(): boolean;
}

/** Delivers `size` bytes, calls `end`, and drops the padding to a whole block. */
function contentReader(size: number, deliver: (chunk: Buffer) => void, end: () => void): ContentReader {
  let wanted = size;
  let padding = (blockSize - (size % blockSize)) % blockSize;
  if (wanted === 0) end();
  return {
    take(bytes) {
      let rest = bytes;
      if (wanted > 0) {
        const part = rest.subarray(0, wanted);
        if (part.length > 0) deliver(part);
        wanted -= part.length;
        rest = rest.subarray(part.length);
        if (wanted === 0) end();
      }
      if (wanted > 0) return rest;
      const dropped = Math.min(padding, rest.length);
      padding -= dropped;
      return rest.subarray(dropped);
    },
    done: () => wanted === 0 && padding === 0,
  };
}

/** Turns the packed bytes of a sparse file into all its bytes. */
function expander(map: SparseMap, deliver: (chunk: Buffer) => void): { write(chunk: Buffer): void; finish(): void } {
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

function attributesOf(header: TarHeader, pax: ReadonlyMap<string, string>): Attributes {
  const uid = paxInteger(pax, "uid");
  const gid = paxInteger(pax, "gid");
  return {
    uid: uid === undefined ? header.uid : ownerNumber(uid),
    gid: gid === undefined ? header.gid : ownerNumber(gid),
    mode: header.mode,
    mtime: paxTime(pax, "mtime") ?? header.mtime,
    xattrs: xattrsOf(pax),
  };
}

function xattrsOf(pax: ReadonlyMap<string, string>): Xattrs {
  const prefix = "SCHILY.xattr.";
  const found = [...pax]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value] as const);
  return found.sort(([a], [b]) => (a < b ? -1 : 1));
}

function deviceOf(header: TarHeader): Pick<TarEntry, "deviceMajor" | "deviceMinor"> {
  return { deviceMajor: header.deviceMajor, deviceMinor: header.deviceMinor };
}

function paxRealSize(pax: ReadonlyMap<string, string>): number {
  return sizeNumber(paxInteger(pax, "GNU.sparse.realsize") ?? paxInteger(pax, "GNU.sparse.size") ?? -1);
}

function hasPending(pending: Pending): boolean {
  return pending.pax.size > 0 || pending.longName !== undefined || pending.longLink !== undefined;
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}

function checkGlobal(records: ReadonlyMap<string, string>): void {
  for (const key of ["path", "linkpath", "size"]) {
    if (records.has(key)) throw badTar(`a global header sets ${key} for every entry`);
  }
}
