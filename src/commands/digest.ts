import { readFileSync } from "node:fs";
import { KeelsonError, printable } from "../errors.ts";
import { digestOf } from "../image/digest.ts";
import { manifestLimit, parseManifest } from "../image/manifest.ts";
import type { World } from "../world.ts";

/** The digest a registry would give the manifest or index in a file. Throws E_MANIFEST for what is neither. */
export function digest(world: World, file: string): void {
  const bytes = readFileSync(file);
  if (bytes.length > manifestLimit) {
    throw new KeelsonError("E_LIMIT", `${printable(file)} is larger than ${manifestLimit} bytes`, {
      hint: "Name a file with a manifest; keelson inspect --raw writes one.",
    });
  }
  const { mediaType } = parseManifest(bytes, undefined, file);
  const found = digestOf(bytes);
  world.output.answer({ digest: found, mediaType, size: bytes.length }, [found]);
}
