import { type Digest, parseDigest } from "./digest.ts";
import { isObject, parseJsonObject } from "./json.ts";
import type { Descriptor } from "./manifest.ts";

/** A file of a layer whose compressed bytes are zstd frames of their own: the bytes from `from` to before `to` of the blob. */
export interface ChunkedFile {
  /** As the layer has it, without what leads to the root. */
  readonly path: string;
  readonly size: number;
  /** Of its content. */
  readonly digest: Digest;
  readonly from: number;
  readonly to: number;
}

/** Where the table of contents of a layer in the form zstd:chunked is in its blob. */
export interface TableOfContents {
  readonly from: number;
  readonly to: number;
  /** Of these bytes. */
  readonly digest: Digest;
  /** What they expand to. */
  readonly size: number;
  /** Where the compressed tar ends: what is behind it are frames that a decompressor skips. */
  readonly end: number;
}

const sizeLimit = 64 * 1024 * 1024;
const skippableHeader = 8;
/** Of the annotations: today's, and that of Debian 12's podman and buildah. */
const prefixes = ["io.github.containers.zstd-chunked", "io.containers.zstd-chunked"] as const;

/**
 * What the annotations of a layer say of its table of contents; undefined where there is none, or not one that can be used.
 * https://github.com/containers/storage/blob/main/docs/containers-storage-zstd-chunked.md
 */
export function tableOfContents({ annotations, size }: Descriptor): TableOfContents | undefined {
  for (const prefix of prefixes) {
    const numbers = numbersOf(annotations[`${prefix}.manifest-position`]);
    const digest = digestIn(annotations[`${prefix}.manifest-checksum`]);
    if (digest === undefined || numbers.length !== 4) continue;
    const [from = 0, length = 0, expanded = 0, form] = numbers;
    const ends = [from, numbersOf(annotations[`${prefix}.tarsplit-position`])[0] ?? from];
    const end = Math.min(...ends) - skippableHeader;
    if (form !== 1 || end < 0 || from + length > size || expanded > sizeLimit) continue;
    return { from, to: from + length, digest, size: expanded, end };
  }
  return undefined;
}

/**
 * The files of a table of contents, in the order of the blob; those that are empty are left out; undefined where they
 * overlap or go on behind `end`. Throws E_MANIFEST for what is no JSON object.
 */
export function parseTableOfContents(bytes: Uint8Array, name: string, end: number): readonly ChunkedFile[] | undefined {
  const { entries } = parseJsonObject(bytes, name, sizeLimit);
  if (!Array.isArray(entries)) return undefined;
  const files = entries.map(fileOf).filter((file) => file !== undefined);
  let at = 0;
  for (const { from, to } of files) {
    if (from < at || to < from || to > end) return undefined;
    at = to;
  }
  return files;
}

function fileOf(entry: unknown): ChunkedFile | undefined {
  if (!isObject(entry) || entry.type !== "reg" || typeof entry.name !== "string") return undefined;
  const { size, offset: from, endOffset: to } = entry;
  const digest = digestIn(entry.digest);
  if (digest === undefined || ![size, from, to].every((number) => Number.isSafeInteger(number) && number > 0))
    return undefined;
  return { path: entry.name.replace(/^(?:\.?\/)+/, ""), size, digest, from, to };
}

function numbersOf(text: string | undefined): readonly number[] {
  return /^\d{1,15}(?::\d{1,15})*$/.test(text ?? "") ? (text ?? "").split(":").map(Number) : [];
}

function digestIn(text: unknown): Digest | undefined {
  return typeof text === "string" && /^sha256:[0-9a-f]{64}$/.test(text) ? parseDigest(text) : undefined;
}
