import { createInterface } from "node:readline";
import { inUserWords, printable } from "./errors.ts";

/** Where a command speaks: answers to standard output, everything else to standard error. */
export interface Output {
  /** The one answer of a command: `document` with --json, else the lines; tabs in them stay what they are. */
  answer(document: unknown, lines: readonly string[]): void;
  /** The one answer of a command where it is a document of others: these bytes, also with --json. */
  bytes(document: Uint8Array): void;
  /** Something that is being done or was decided. Silent with --quiet. */
  message(text: string): void;
  /** Something a person should look at. Said with --quiet too. */
  warn(text: string): void;
  /**
   * Asks for one of the choices by its number; its index. Undefined where nobody can be asked, because input or messages
   * are not a terminal, or when the person gives no answer.
   */
  choose(question: string, choices: readonly string[], signal: AbortSignal): Promise<number | undefined>;
  /** Begins a piece of work of `total` bytes; several may be under way at once, and share the bar. */
  progress(label: string, total: number): Progress;
}

export interface Progress {
  advance(bytes: number): void;
  /** Said once, when the piece is done; a bar that is not finished is wiped by whatever is written next. */
  finish(): void;
  /** Instead of finish, for a piece that failed: nothing is said. */
  abandon(): void;
}

interface Piece {
  readonly label: string;
  readonly total: number;
  done: number;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
  /** It is a user's own services that are spoken of. */
  readonly user: boolean;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string | Uint8Array): boolean;
}

const redrawInterval = 100;

/** Bars are drawn on a terminal; elsewhere each finished piece of work is one line. */
export function openOutput(options: OutputOptions, out: Stream = process.stdout, err: Stream = process.stderr): Output {
  const bars = options.progress && !options.quiet && err.isTTY === true;
  const words = options.user ? inUserWords : (text: string): string => text;
  const pieces = new Set<Piece>();
  let drawn = false;
  let last = 0;

  function line(text: string): void {
    wipe();
    err.write(`${text.split("\n").map(words).map(printable).join("\n")}\n`);
  }

  function wipe(): void {
    if (drawn) err.write("\r\u001b[K");
    drawn = false;
  }

  function draw(): void {
    const now = performance.now();
    if (!bars || now - last < redrawInterval) return;
    last = now;
    err.write(`\r\u001b[K${sharedBar([...pieces], err.columns ?? 80)}`);
    drawn = true;
  }

  return {
    answer(document, lines) {
      wipe();
      const shown = (): string => lines.map((text) => `${tabbed(words(text))}\n`).join("");
      out.write(options.json ? `${JSON.stringify(document, undefined, 2)}\n` : shown());
    },
    bytes(document) {
      wipe();
      out.write(document);
    },
    message: (text) => (options.quiet ? undefined : line(text)),
    warn: (text) => line(`warning: ${text}`),
    choose: async (question, choices, signal) => {
      if (process.stdin.isTTY !== true || err.isTTY !== true) return undefined;
      [question, ...choices.map((choice, index) => `  ${index + 1}  ${choice}`)].forEach(line);
      return askNumber(choices.length, err, signal);
    },
    progress: (label, total) =>
      beginPiece(pieces, { label, total, done: 0 }, draw, (text) => {
        if (!options.quiet && options.progress) line(text);
      }),
  };
}

function tabbed(text: string): string {
  return text.split("\t").map(printable).join("\t");
}

/** Reads lines until one is a number up to `limit`; that number less one, undefined at the end of the input. */
async function askNumber(limit: number, err: Stream, signal: AbortSignal): Promise<number | undefined> {
  const lines = createInterface({ input: process.stdin, terminal: false, signal });
  const prompt = (): boolean => err.write(`number (1-${limit}): `);
  try {
    prompt();
    for await (const text of lines) {
      const number = /^\s*([0-9]{1,4})\s*$/.exec(text)?.[1];
      if (number !== undefined && Number(number) >= 1 && Number(number) <= limit) return Number(number) - 1;
      prompt();
    }
    signal.throwIfAborted();
    return undefined;
  } finally {
    lines.close();
    process.stdin.pause();
  }
}

function beginPiece(pieces: Set<Piece>, piece: Piece, draw: () => void, say: (text: string) => void): Progress {
  pieces.add(piece);
  return {
    advance(bytes) {
      piece.done += bytes;
      draw();
    },
    finish() {
      pieces.delete(piece);
      say(`${piece.label}: ${formatSize(piece.done)}`);
    },
    abandon: () => void pieces.delete(piece),
  };
}

/** Bytes in the largest unit that keeps the number above one: `12.3 MB`. */
export function formatSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  return step === 0 ? `${bytes} B` : `${(bytes / 1000 ** step).toFixed(1)} ${units[step]}`;
}

/** Rows under their headings, columns as wide as their widest cell, two spaces apart. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const shown = [headings, ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? "").length)));
  return shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function sharedBar(pieces: readonly Piece[], columns: number): string {
  const sum = (count: (piece: Piece) => number): number => pieces.reduce((total, piece) => total + count(piece), 0);
  const label = pieces.length === 1 ? (pieces[0]?.label ?? "") : `${pieces.length} at once`;
  return bar(
    label,
    sum(({ done }) => done),
    sum(({ total }) => total),
    columns,
  );
}

function bar(label: string, done: number, total: number, columns: number): string {
  const figures = ` ${formatSize(done)}/${formatSize(total)}`;
  const width = Math.max(4, Math.min(30, columns - label.length - figures.length - 4));
  const filled = total === 0 ? width : Math.min(width, Math.round((width * done) / total));
  return `${label} [${"#".repeat(filled)}${".".repeat(width - filled)}]${figures}`.slice(0, columns - 1);
}
