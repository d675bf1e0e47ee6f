import type { Target } from "./target.ts";
import { documentsTarget } from "./targets/documents.ts";
import { references } from "./targets/references.ts";
import { tar } from "./targets/tar.ts";
import { templates } from "./targets/templates.ts";

/** Everything that is fuzzed. */
export const targets: readonly Target[] = [tar, documentsTarget, templates, references];
