import type { Cause, CauseCode } from "./causes.ts";
import type { ContainerFacts, UnitFacts } from "./unit-facts.ts";

/** A unit that is looked into. */
export interface Case {
  readonly facts: UnitFacts;
  /** Where it is a container's. */
  readonly container: ContainerFacts | undefined;
  readonly up: (unit: string) => boolean;
}

export function makeCause(
  { facts }: Case,
  code: CauseCode,
  text: string,
  next: string,
  on: readonly string[] = [],
): Cause {
  return { code, of: facts.unit, on, text, next };
}

/** The command that shows what the unit said, or says from now on. */
export function commandFor({ facts, container }: Case, what: "logs" | "follow"): string {
  if (container === undefined) return `journalctl ${what === "follow" ? "-f " : ""}-u ${facts.unit}`;
  return `keelson logs ${what === "follow" ? "-f " : ""}${container.name}`;
}
