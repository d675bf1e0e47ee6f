import { readFileSync } from "node:fs";
import { digestOf } from "../image/digest.ts";
import { parseManifest } from "../image/manifest.ts";
import type { World } from "../world.ts";

/** The digest a registry would give the manifest or index in a file. Throws E_MANIFEST for what is neither. */
export function digest(world: World, file: string): void {
  const bytes = readFileSync(file);
  const { mediaType } = parseManifest(bytes, undefined, file, world.settings.documentLimits);
  const found = digestOf(bytes);
  world.output.answer({ digest: found, mediaType, size: bytes.length }, [found]);
}
