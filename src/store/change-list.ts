import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import type { LayerChange } from "../layer/change.ts";
import { writeDurably } from "./durable.ts";

const format = "keelson-layer 1";

/**
 * Keeps the change list of the layer with this diff id. A first line names the format and the SHA-256 of the rest; the
 * rest is one change a line, as JSON.
 */
export function writeChangeList(images: string, diffId: Digest, list: Uint8Array): void {
  const path = changeListPath(images, diffId);
  mkdirSync(dirname(path), { recursive: true });
  writeDurably(path, Buffer.concat([Buffer.from(`${format} ${sha256(list)}\n`), list]), 0o600);
}

/** A change list as it is kept: one change a line, as JSON. */
export function formatChanges(changes: readonly LayerChange[]): Uint8Array {
  return Buffer.from(changes.map((change) => `${JSON.stringify(change)}\n`).join(""));
}

/** The inverse of formatChanges. */
export function parseChanges(list: Uint8Array): readonly LayerChange[] {
  const text = Buffer.from(list.buffer, list.byteOffset, list.length).toString("utf8");
  // No line has a newline of its own: all are parsed at once, which is the faster way.
  return JSON.parse(`[${text.slice(0, -1).replaceAll("\n", ",")}]`);
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
