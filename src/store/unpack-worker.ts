import { parentPort, workerData } from "node:worker_threads";
import { KeelsonError } from "../errors.ts";
import type { NewList } from "./change-list.ts";
import { emptySlabs, type SharedSlabs, slabKinds } from "./slabs.ts";
import { openStaging, stagingPlaces } from "./staging.ts";
import { openUnpacking, type Unpacking, type UnpackLimits } from "./unpack.ts";

/** What the thread that unpacks is started with. */
export interface UnpackWork {
  readonly slabs: SharedSlabs;
  readonly repository: string;
  readonly parent: string | undefined;
  readonly limits: UnpackLimits;
}

/** What it says of a layer, once. */
export type UnpackAnswer =
  | { readonly stream: number; readonly list: NewList }
  | { readonly stream: number; readonly failure: SentError };

/** An error as it passes between threads. */
export type SentError =
  | { readonly code: KeelsonError["code"]; readonly message: string; readonly hint: string }
  | { readonly error: Error; readonly properties: object };

/** Unpacks layers as their slabs come. A layer that has failed is not looked at any more. */
function main({ slabs, repository, parent, limits }: UnpackWork): void {
  const staging = openStaging({ ...stagingPlaces(repository, parent), damaged: new Set(), scratch: "thread" });
  const layers = new Map<number, Unpacking | undefined>();

  function take(stream: number, kind: number, bytes: Buffer): void {
    if (!layers.has(stream)) layers.set(stream, openUnpacking(staging, limits));
    const layer = layers.get(stream);
    if (layer === undefined) return;
    if (kind === slabKinds.data) return layer.write(bytes);
    if (kind === slabKinds.hash) return;
    if (kind === slabKinds.abandon) layer.abandon();
    else parentPort?.postMessage({ stream, list: layer.finish() } satisfies UnpackAnswer);
    layers.set(stream, undefined);
  }

  emptySlabs(slabs, "unpack", (stream, kind, bytes) => {
    try {
      take(stream, kind, bytes);
    } catch (error) {
      layers.get(stream)?.abandon();
      layers.set(stream, undefined);
      parentPort?.postMessage({ stream, failure: sent(error) } satisfies UnpackAnswer);
    }
  });
  for (const layer of layers.values()) layer?.abandon();
}

/** A copy between threads keeps the message and stack of an error, but neither its class nor what it has besides. */
function sent(error: unknown): SentError {
  if (error instanceof KeelsonError) return { code: error.code, message: error.message, hint: error.hint };
  if (error instanceof Error) return { error, properties: { ...error } };
  return { error: new Error(String(error)), properties: {} };
}

main(workerData);
