import { type ContentReader, contentReader } from "./content-reader.ts";
import type { Attributes, EntryKind, TarEntry, Xattrs } from "./entry.ts";
import { badTar, blockSize, isZeroBlock, ownerNumber, parseHeader, sizeNumber, type TarHeader } from "./header.ts";
import { checkGlobal, extensionTooLarge, parsePax, paxInteger, paxTime, standardExtensionLimit } from "./pax.ts";
import {
  expander,
  gnuRealSize,
  gnuSegments,
  isPaxSparse1,
  openPaxSparse1,
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
  /** Takes the next bytes; the buffer may be reused when this returns. Throws E_LAYER, E_LIMIT. */
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

/** What the reader is in the midst of. */
interface State {
  readonly extensionLimit: number;
  readonly sink: TarSink;
  /** What the next block is for, while no content is being read. */
  step: (state: State, block: Buffer) => void;
  /** Bytes of a block that is not complete yet. */
  carry: Buffer;
  content: ContentReader | undefined;
  /** Blocks of zeros read: two end the archive. */
  zeroBlocks: number;
  pending: Pending;
}

/** Extension headers that belong to the next entry. */
interface Pending {
  pax: Map<string, string>;
  longName: string | undefined;
  longLink: string | undefined;
}

/**
 * Reads tar: v7, ustar, PAX, GNU long names, GNU and PAX sparse files (expanded). Nothing is skipped: what it does not know it
 * refuses, what is damaged it refuses, and an extension header of more bytes than `extensionLimit`. Bytes behind the end marker
 * are ignored.
 */
export function openTarReader(sink: TarSink, extensionLimit = standardExtensionLimit): TarReader {
  const state: State = {
    extensionLimit,
    sink,
    step: readHeader,
    carry: Buffer.alloc(0),
    content: undefined,
    zeroBlocks: 0,
    pending: nothing(),
  };
  return {
    write: (chunk) => readChunk(state, chunk),
    finish() {
      const { content, carry, step, pending } = state;
      const inside = content !== undefined || carry.length > 0 || step !== readHeader || hasPending(pending);
      if (state.zeroBlocks < 2 && inside) throw badTar("it ends inside an entry");
    },
  };
}

function readChunk(state: State, chunk: Buffer): void {
  let rest = state.carry.length === 0 ? chunk : Buffer.concat([state.carry, chunk]);
  while (state.zeroBlocks < 2) {
    if (state.content !== undefined) {
      rest = state.content.take(rest);
      if (!state.content.done()) break;
      state.content = undefined;
      continue;
    }
    if (rest.length < blockSize) break;
    state.step(state, rest.subarray(0, blockSize));
    rest = rest.subarray(blockSize);
  }
  state.carry = state.zeroBlocks < 2 ? Buffer.from(rest) : Buffer.alloc(0);
}

function readHeader(state: State, block: Buffer): void {
  if (isZeroBlock(block)) {
    if (hasPending(state.pending)) throw badTar("no entry follows an extension header");
    state.zeroBlocks++;
    return;
  }
  if (state.zeroBlocks > 0) throw badTar("an entry follows a lone block of zeros");
  const header = parseHeader(block);
  if (extensions.includes(header.type)) readExtension(state, header);
  else if (header.type === "S") readOldSparse(state, header, block);
  else beginEntry(state, header, undefined);
}

function readExtension(state: State, header: TarHeader): void {
  if (header.size > state.extensionLimit) throw extensionTooLarge(header.size, state.extensionLimit);
  const parts: Buffer[] = [];
  state.content = contentReader(
    header.size,
    (part) => parts.push(Buffer.from(part)),
    () => keepExtension(state.pending, header.type, Buffer.concat(parts)),
  );
}

function keepExtension(pending: Pending, type: string, bytes: Buffer): void {
  if (type === "x") pending.pax = parsePax(bytes);
  else if (type === "g") checkGlobal(parsePax(bytes));
  else if (type === "L") pending.longName = untilNul(bytes);
  else pending.longLink = untilNul(bytes);
}

function readOldSparse(state: State, header: TarHeader, block: Buffer): void {
  const segments: Segment[] = [...gnuSegments(block, 386, 4)];
  const realSize = gnuRealSize(block);
  const begin = (): void => {
    state.step = readHeader;
    const stored = sizeNumber(paxInteger(state.pending.pax, "size") ?? header.size);
    beginEntry(state, header, sparseMap(segments, realSize, stored));
  };
  if (block[482] === 0) return begin();
  state.step = (_, extension) => {
    segments.push(...gnuSegments(extension, 0, 21));
    if (segments.length > 100_000) throw badTar("a sparse map is too long");
    if (extension[504] === 0) begin();
  };
}

function beginEntry(state: State, header: TarHeader, oldSparse: SparseMap | undefined): void {
  const { pax, longName, longLink } = state.pending;
  state.pending = nothing();
  // An empty value takes nothing from the header, as POSIX has it.
  const path = pax.get("GNU.sparse.name") || pax.get("path") || longName || header.path;
  const linkTarget = pax.get("linkpath") || longLink || header.linkTarget;
  let kind = kinds[header.type];
  if (kind === undefined) throw badTar(`an entry has the unknown type ${JSON.stringify(header.type)}`);
  let stored = kind === "file" ? sizeNumber(paxInteger(pax, "size") ?? header.size) : 0;
  if (kind === "file" && !header.gnu && path.endsWith("/")) {
    // Readers differ in whether such content is skipped or read as headers.
    if (stored > 0) throw badTar("a directory has content");
    [kind, stored] = ["directory", 0];
  }
  const draft = { kind, path, linkTarget, ...deviceOf(header), attributes: attributesOf(header, pax) };
  if (kind === "file" && isPaxSparse1(pax)) return beginPaxSparse1(state, draft, pax, stored);
  const segments = kind === "file" ? paxSegments(pax) : undefined;
  const sparse = segments ? sparseMap(segments, paxRealSize(pax), stored) : oldSparse;
  beginContent(state, { ...draft, size: sparse?.realSize ?? stored }, stored, sparse);
}

function beginPaxSparse1(state: State, draft: Omit<TarEntry, "size">, pax: Map<string, string>, stored: number): void {
  const readMap = openPaxSparse1();
  let read = 0;
  state.step = (_, block) => {
    read += blockSize;
    if (read > stored || read > state.extensionLimit) throw badTar("a sparse map is longer than its file");
    const parsed = readMap(block);
    if (parsed === undefined) return;
    state.step = readHeader;
    const packed = stored - parsed.blocks * blockSize;
    const sparse = sparseMap(parsed.segments, paxRealSize(pax), packed);
    beginContent(state, { ...draft, size: sparse.realSize }, packed, sparse);
  };
}

function beginContent(state: State, entry: TarEntry, stored: number, sparse: SparseMap | undefined): void {
  const { sink } = state;
  sink.entry(entry);
  if (entry.kind !== "file") return sink.end();
  const expand = sparse === undefined ? undefined : expander(sparse, (chunk) => sink.data(chunk));
  const deliver = expand?.write ?? ((chunk: Buffer): void => sink.data(chunk));
  state.content = contentReader(stored, deliver, () => {
    expand?.finish();
    sink.end();
  });
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

function nothing(): Pending {
  return { pax: new Map(), longName: undefined, longLink: undefined };
}

function hasPending(pending: Pending): boolean {
  return pending.pax.size > 0 || pending.longName !== undefined || pending.longLink !== undefined;
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}
