import { createHash } from "node:crypto";
import type { FileState } from "./change.ts";

/** A file of keelson's own with this text. */
export function textState(text: string, mode = 0o644) {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { mode, sha256, content: { kind: "text" as const, text } } satisfies FileState;
}
