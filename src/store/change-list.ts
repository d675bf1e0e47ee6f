import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import type { LayerChange } from "../layer/change.ts";
import { type NewFile, writeAllDurably } from "./durable.ts";

const format = "keelson-layer 1";
const linesAtOnce = 100;
const bytesAtOnce = 256 * 1024;

/** Keeps the change list of the layer with this diff id. */
export function writeChangeList(images: string, diffId: Digest, list: Uint8Array): void {
  writeAllDurably([changeListFile(images, diffId, list)]);
}

/**
 * The file that keeps the change list of the layer with this diff id. A first line names the format and the SHA-256 of the
 * rest; the rest is one change a line, as JSON.
 */
export function changeListFile(images: string, diffId: Digest, list: Uint8Array): NewFile {
  const content = Buffer.concat([Buffer.from(`${format} ${sha256(list)}\n`), list]);
  return { path: changeListPath(images, diffId), content, mode: 0o600 };
}

/** A change list as it is kept: one change a line, as JSON. */
export function formatChanges(changes: readonly LayerChange[]): Uint8Array {
  const list = openChangeList();
  for (const change of changes) list.add(change);
  return list.bytes();
}

/** A change list that is made change by change. */
export interface GrowingList {
  add(change: LayerChange): void;
  /** What formatChanges gives of all of them, in memory of its own. */
  bytes(): Uint8Array<ArrayBuffer>;
}

/** Lines are kept as bytes: the heap holds a few of them at a time. */
export function openChangeList(): GrowingList {
  const full: Buffer[] = [];
  let lines: string[] = [];
  function pack(): void {
    full.push(Buffer.from(lines.join("")));
    lines = [];
  }
  return {
    add(change) {
      lines.push(`${JSON.stringify(change)}\n`);
      if (lines.length === linesAtOnce) pack();
    },
    bytes() {
      pack();
      const list = new Uint8Array(full.reduce((size, lines) => size + lines.length, 0));
      let at = 0;
      for (const lines of full) {
        list.set(lines, at);
        at += lines.length;
      }
      return list;
    },
  };
}

/** The inverse of formatChanges. */
export function parseChanges(list: Uint8Array): readonly LayerChange[] {
  const bytes = Buffer.from(list.buffer, list.byteOffset, list.length);
  const changes: LayerChange[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf("\n", at + bytesAtOnce);
    const end = newline < 0 ? bytes.length : newline + 1;
    // No line has a newline of its own: many are parsed at once, which is the faster way.
    const lines = bytes.toString("utf8", at, end - 1).replaceAll("\n", ",");
    for (const change of JSON.parse(`[${lines}]`) as readonly LayerChange[]) changes.push(change);
    at = end;
  }
  return changes;
}

/** The change list of a layer; undefined when the layer is not here. Throws E_STORE when it is damaged. */
export function readChangeList(images: string, diffId: Digest): readonly LayerChange[] | undefined {
  const path = changeListPath(images, diffId);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const newline = bytes.indexOf("\n");
  const body = bytes.subarray(newline + 1);
  if (bytes.toString("latin1", 0, Math.max(newline, 0)) !== `${format} ${sha256(body)}`) {
    throw new KeelsonError("E_STORE", `${path} is damaged`, { hint: "keelson verify --repair brings it back." });
  }
  return parseChanges(body);
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

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
