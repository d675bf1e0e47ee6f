import { createRequire } from "node:module";
import type koffi from "koffi";

export type Ffi = typeof koffi;

let loaded: Ffi | undefined;

/** The way to functions of native libraries, loaded on first use: most commands that only read never need it. */
export function ffi(): Ffi {
  loaded ??= createRequire(import.meta.url)("koffi") as Ffi;
  return loaded;
}
