import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Layer } from "../layer/apply.ts";
import type { LayerChange } from "../layer/change.ts";
import { formatChange, headOf, parseLines } from "./change-list.ts";
import { writeFully } from "./durable.ts";
import { onFile } from "./name-file.ts";

const linesAtOnce = 100;
const bytesAtOnce = 256 * 1024;
const unknownDigest = "0".repeat(64);

/** The changes that a file made by openListWriter has. */
export interface NewList {
  readonly path: string;
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

/** Makes a file, as writeChangeList does, at `path`, where nothing may be. */
export function openListWriter(path: string): ListWriter {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  const hash = createHash("sha256");
  let lines: string[] = [];
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
      lines.push(formatChange(change));
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
      return { path, removes };
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

/** The lines behind the first one, many at a time. */
function* linesOf(path: string): Generator<Buffer> {
  const fd = openSync(path, "r");
  try {
    let rest = Buffer.alloc(0);
    let at = headOf(unknownDigest).length;
    for (;;) {
      const buffer = Buffer.allocUnsafe(rest.length + bytesAtOnce);
      rest.copy(buffer);
      const read = readSync(fd, buffer, rest.length, bytesAtOnce, at);
      if (read === 0) break;
      at += read;
      const bytes = buffer.subarray(0, rest.length + read);
      const end = bytes.lastIndexOf("\n") + 1;
      if (end > 0) yield bytes.subarray(0, end);
      rest = bytes.subarray(end);
    }
  } finally {
    closeSync(fd);
  }
}
