import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import type { Layer } from "../layer/apply.ts";
import type { LayerChange } from "../layer/change.ts";
import { damaged } from "./documents.ts";
import { type NewFile, writeFully } from "./durable.ts";
import { onFile } from "./name-file.ts";

const format = "keelson-layer 1";
const unknownDigest = "0".repeat(64);
const linesAtOnce = 100;
const bytesAtOnce = 256 * 1024;

/** A change list that openListWriter has made, on its way into the store. */
export interface NewList {
  readonly path: string;
  /** How many changes it has. */
  readonly length: number;
  /** Whether it removes anything: has whiteouts or opaque markers. */
  readonly removes: boolean;
}

/** A change list that grows in a file, so that one of any length takes no memory. */
export interface ListWriter {
  add(change: LayerChange): void;
  /** Nothing is synced. */
  finish(): NewList;
  abandon(): void;
}

/**
 * Makes the file that keeps a change list, at `path`, where nothing may be. A first line names the format and the SHA-256 of the
 * rest; the rest is one change a line, as JSON.
 */
export function openListWriter(path: string): ListWriter {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  const hash = createHash("sha256");
  let lines: string[] = [];
  let length = 0;
  let removes = false;
  let open = true;

  function close(): void {
    if (open) closeSync(fd);
    open = false;
  }

  function write(bytes: Buffer): void {
    onFile(path, () => writeFully(fd, bytes));
  }

  function pack(): void {
    const bytes = Buffer.from(lines.join(""));
    hash.update(bytes);
    write(bytes);
    lines = [];
  }

  // The digest takes its place when it is known.
  write(headOf(unknownDigest));
  return {
    add(change) {
      removes ||= change.kind === "whiteout" || change.kind === "opaque";
      length++;
      lines.push(`${JSON.stringify(change)}\n`);
      if (lines.length === linesAtOnce) pack();
    },
    finish() {
      try {
        pack();
        const head = headOf(hash.digest("hex"));
        onFile(path, () => writeFully(fd, head, 0));
      } finally {
        close();
      }
      return { path, length, removes };
    },
    abandon: close,
  };
}

/** What such a file has, read anew each time it is asked for. */
export function readNewList({ path, removes }: NewList): Layer {
  return {
    removes,
    *[Symbol.iterator]() {
      for (const lines of linesOf(path)) yield* parseLines(lines);
    },
  };
}

/** What becomes the change list of the layer with this diff id. */
export function listFile(images: string, diffId: Digest, { path }: NewList): NewFile {
  return { path: changeListPath(images, diffId), content: { file: path }, mode: 0o600 };
}

/** The change list of a layer; undefined when the layer is not here. Throws E_STORE when it is damaged. */
export function readChangeList(images: string, diffId: Digest): readonly LayerChange[] | undefined {
  const path = changeListPath(images, diffId);
  try {
    if (!isWhole(path)) throw damaged(path);
    const changes: LayerChange[] = [];
    for (const lines of linesOf(path)) for (const change of parseLines(lines)) changes.push(change);
    return changes;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Like readChangeList, but one that is damaged counts as not there, so that it is written anew. */
export function readWholeChangeList(images: string, diffId: Digest): readonly LayerChange[] | undefined {
  try {
    return readChangeList(images, diffId);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return undefined;
    throw error;
  }
}

/** Where the change list of a layer is kept. */
export function changeListPath(images: string, diffId: Digest): string {
  return join(images, "layers", hexOf(diffId));
}

/** The first line; `digest` as hex. */
function headOf(digest: string): Buffer {
  return Buffer.from(`${format} ${digest}\n`);
}

function isWhole(path: string): boolean {
  const hash = createHash("sha256");
  for (const lines of linesOf(path)) hash.update(lines);
  const head = headOf(hash.digest("hex"));
  const [start = Buffer.alloc(0)] = piecesOf(path, 0, head.length);
  return head.equals(start);
}

/** The lines behind the first one, many at a time, and at last what does not end a line. */
function* linesOf(path: string): Generator<Buffer> {
  let rest = Buffer.alloc(0);
  for (const piece of piecesOf(path, headOf(unknownDigest).length, bytesAtOnce)) {
    const bytes = Buffer.concat([rest, piece]);
    const end = bytes.lastIndexOf("\n") + 1;
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
  }
  if (rest.length > 0) yield rest;
}

/** A file from `at` on; each piece is overwritten by the next. */
function* piecesOf(path: string, at: number, size: number): Generator<Buffer> {
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(size);
    for (let from = at; ; ) {
      const read = onFile(path, () => readSync(fd, buffer, 0, size, from));
      if (read === 0) return;
      yield buffer.subarray(0, read);
      from += read;
    }
  } finally {
    closeSync(fd);
  }
}

/** No line has a newline of its own: many are parsed at once, which is the faster way. */
function parseLines(lines: Buffer): readonly LayerChange[] {
  return JSON.parse(`[${lines.toString("utf8", 0, lines.length - 1).replaceAll("\n", ",")}]`);
}
