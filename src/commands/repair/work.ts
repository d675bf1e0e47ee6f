import { errnoOf, KeelsonError } from "../../errors.ts";
import type { CheckPlaces } from "../../host/check.ts";
import type { Drift } from "../../host/drift.ts";
import type { ObjectName } from "../../layer/change.ts";
import { objectName } from "../../store/object.ts";
import type { NameObject } from "../../store/verify.ts";
import type { World } from "../../world.ts";

/** One run of a repair: what it looks at, and what it notes on its way. */
export interface Work {
  readonly world: World;
  readonly tlsVerify: boolean;
  readonly nameObject: NameObject;
  /** What a check reads; trees are read anew, as change lists may have come back. */
  places(): CheckPlaces;
  /** Where what was healed came from, by path or by the name of the content object. */
  readonly sources: Map<string, string>;
  /** Why something was not healed, likewise. */
  readonly reasons: Map<string, string>;
  /** Content objects that have been written anew: every deployment that has one is to be linked to it. */
  readonly replaced: Set<ObjectName>;
}

/** Does one repair; one that fails, for a reason that a person can mend, is noted under these keys and hinders no other. */
export async function attempt(work: Work, keys: readonly string[], repair: () => unknown): Promise<void> {
  try {
    await repair();
    for (const key of keys) work.reasons.delete(key);
  } catch (error) {
    work.world.signal.throwIfAborted();
    if (!(error instanceof KeelsonError) && errnoOf(error) === undefined) throw error;
    for (const key of keys) if (!work.reasons.has(key)) work.reasons.set(key, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Where something that was healed came from. */
export function sourceOf(work: Work, drift: Drift): string {
  const from = keysOf(drift)
    .map((key) => work.sources.get(key))
    .find((source) => source !== undefined);
  if (from !== undefined) return from;
  const { expected } = drift.kind === "file" ? drift.finding : {};
  const stored = expected?.kind === "file" && expected.content.kind === "object";
  return drift.kind === "file" && !stored ? "the record" : "the store";
}

/** Why something was not healed. */
export function reasonOf(work: Work, drift: Drift): string {
  const reason = keysOf(drift)
    .map((key) => work.reasons.get(key))
    .find((why) => why !== undefined);
  return reason ?? "nothing is known that could bring it back";
}

function keysOf(drift: Drift): readonly string[] {
  if (drift.kind === "broken") return [];
  const { path } = drift.finding;
  if (drift.kind === "store" && drift.finding.part === "object") return [objectName(drift.finding.object), path];
  if (drift.kind === "tree" && drift.finding.node !== undefined && "object" in drift.finding.node)
    return [drift.finding.node.object, path];
  if (drift.kind === "file" && drift.finding.expected.kind === "file") {
    const { content } = drift.finding.expected;
    return content.kind === "object" ? [content.object, path] : [path];
  }
  return [path];
}
