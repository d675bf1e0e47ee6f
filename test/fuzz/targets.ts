import type { Target } from "./target.ts";

/** Everything that is fuzzed; each is imported by itself, so that nothing else is counted. */
export const targets: Readonly<Record<string, () => Promise<Target>>> = {
  tar: async () => (await import("./targets/tar.ts")).tar,
  documents: async () => (await import("./targets/documents.ts")).documentsTarget,
  templates: async () => (await import("./targets/templates.ts")).templates,
  references: async () => (await import("./targets/references.ts")).references,
};
