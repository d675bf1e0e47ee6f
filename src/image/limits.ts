import { KeelsonError, printable } from "../errors.ts";

/** How large the documents of an image may be. */
export interface DocumentLimits {
  /** Bytes of a manifest, index or configuration. */
  readonly bytes: number;
  /** Layers of an image. */
  readonly layers: number;
  /** Entries of an index. */
  readonly entries: number;
  /** Indexes that name one another until there is a manifest. */
  readonly depth: number;
}

/** Where nothing else is said. Registries limit documents to 4 MiB, too. */
export const standardLimits: DocumentLimits = { bytes: 4 * 1024 * 1024, layers: 127, entries: 1000, depth: 8 };

/** For documents that have been let in before. */
export const noLimits: DocumentLimits = { bytes: Infinity, layers: Infinity, entries: Infinity, depth: Infinity };

/** The key in keelson.conf of each. */
const limitSettings: Readonly<Record<keyof DocumentLimits, string>> = {
  bytes: "document_size",
  layers: "image_layers",
  entries: "index_entries",
  depth: "index_depth",
};

/** E_LIMIT for something of the image `name` that is beyond that limit. */
export function beyondLimit(name: string, why: string, limit: keyof DocumentLimits): KeelsonError {
  return new KeelsonError("E_LIMIT", `${printable(name)}: ${why}`, {
    hint: `Check that the reference names an image; raise ${limitSettings[limit]} in keelson.conf if this one is meant to.`,
  });
}
