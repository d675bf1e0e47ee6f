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
export function writeChangeList(images: string, diffId: Digest, changes: readonly LayerChange[]): void {
  const path = changeListPath(images, diffId);
  mkdirSync(dirname(path), { recursive: true });
  const body = changes.map((change) => `${JSON.stringify(change)}\n`).join("");
  writeDurably(path, `${format} ${sha256(body)}\n${body}`, 0o600);
}

/** The change list of a layer; undefined when the layer is not here. Throws E_STORE when it is damaged. */
export function readChangeList(images: string, diffId: Digest): readonly LayerChange[] | undefined {
  const path = changeListPath(images, diffId);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const newline = text.indexOf("\n");
  const body = text.slice(newline + 1);
  if (text.slice(0, newline) !== `${format} ${sha256(body)}`) {
    throw new KeelsonError("E_STORE", `${path} is damaged`, { hint: "keelson verify --repair brings it back." });
  }
  return body
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LayerChange);
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

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
