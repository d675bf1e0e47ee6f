import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import type { LayerChange } from "../layer/change.ts";
import { writeAllDurably } from "./durable.ts";

const format = "keelson-layer 1";
const bytesAtOnce = 256 * 1024;

/**
 * Keeps the change list of the layer with this diff id. A first line names the format and the SHA-256 of the rest; the rest is
 * one change a line, as JSON.
 */
export function writeChangeList(images: string, diffId: Digest, list: Uint8Array): void {
  const content = Buffer.concat([headOf(sha256(list)), list]);
  writeAllDurably([{ path: changeListPath(images, diffId), content, mode: 0o600 }]);
}

/** A change list as it is kept: one change a line, as JSON. */
export function formatChanges(changes: readonly LayerChange[]): Uint8Array {
  return Buffer.from(changes.map(formatChange).join(""));
}

export function formatChange(change: LayerChange): string {
  return `${JSON.stringify(change)}\n`;
}

/** What formatChange made of these; no line has a newline of its own: many are parsed at once, which is the faster way. */
export function parseLines(lines: Buffer): readonly LayerChange[] {
  return JSON.parse(`[${lines.toString("utf8", 0, lines.length - 1).replaceAll("\n", ",")}]`);
}

/** The inverse of formatChanges. */
function parseChanges(bytes: Buffer): readonly LayerChange[] {
  const changes: LayerChange[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf("\n", at + bytesAtOnce);
    const end = newline < 0 ? bytes.length : newline + 1;
    for (const change of parseLines(bytes.subarray(at, end))) changes.push(change);
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

/** The first line; `digest` as hex. */
export function headOf(digest: string): Buffer {
  return Buffer.from(`${format} ${digest}\n`);
}
