import { isObject } from "../image/json.ts";
import { unreadable } from "./file-set.ts";

/** A line holds at most a mebibyte of padding, as base64. */
const lineLimit = 4 * 1024 * 1024;

/** The content of a file of a layer; `path` one character a byte. */
export type OpenContent = (path: string, size: number) => AsyncIterable<Uint8Array>;

/**
 * The tar that `split` was made of, byte for byte: JSON lines that hold all of it but for the content of files, which is
 * asked of `open`. Throws E_SOURCE. https://github.com/vbatts/tar-split
 */
export async function* joinTar(
  split: AsyncIterable<Uint8Array>,
  open: OpenContent,
  name: string,
): AsyncGenerator<Uint8Array> {
  for await (const line of linesOf(split, name)) {
    const part = parsePart(line, name);
    if (part.kind === "bytes") yield part.bytes;
    else if (part.size > 0) yield* open(part.path, part.size);
  }
}

type Part =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "file"; readonly path: string; readonly size: number };

function parsePart(line: Buffer, name: string): Part {
  let row: unknown;
  try {
    row = JSON.parse(line.toString("utf8"));
  } catch (error) {
    throw unreadable(name, "its tar-split is not JSON", error);
  }
  if (isObject(row) && row.type === 2) {
    // An empty segment stands before the first entry of some layers.
    return { kind: "bytes", bytes: Buffer.from(String(row.payload ?? ""), "base64") };
  }
  if (isObject(row) && row.type === 1) {
    const { name: text, name_raw: raw, size = 0 } = row;
    const path = typeof raw === "string" ? Buffer.from(raw, "base64") : Buffer.from(String(text ?? ""), "utf8");
    if (Number.isSafeInteger(size) && size >= 0) return { kind: "file", path: path.toString("latin1"), size };
  }
  throw unreadable(name, "its tar-split has an entry that is neither a file nor bytes");
}

async function* linesOf(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      yield Buffer.concat([...waiting, rest.subarray(0, end)]);
      [waiting, size] = [[], 0];
      rest = rest.subarray(end + 1);
    }
    size += rest.length;
    if (size > lineLimit) throw unreadable(name, `its tar-split has a line of more than ${lineLimit} bytes`);
    waiting.push(rest);
  }
  if (size > 0) yield Buffer.concat(waiting);
}
