import { printable } from "../errors.ts";

/** When at boot a container starts, earliest first. */
export const phases = ["early", "basic", "pre-network", "pre-runtime", "normal"] as const;

/**
 * `early`: before sysinit.target; `basic`: after it and before basic.target; `pre-network`: before the network is configured;
 * `pre-runtime`: before the host's container runtimes; `normal`: with all other services.
 */
export type Phase = (typeof phases)[number];

/** Reads `phase` of manifest.json; undefined when there is none, or when it has a defect, which `problem` is told. */
export function parsePhase(declared: unknown, problem: (why: string) => void): Phase | undefined {
  if (declared === undefined) return undefined;
  const phase = phases.find((each) => each === declared);
  if (phase === undefined) {
    problem(`phase is ${printable(JSON.stringify(declared).slice(0, 80))}, none of ${phases.join(", ")}`);
  }
  return phase;
}

/** Whether the network is not there yet when a container of this phase starts. */
export function comesBeforeNetwork(phase: Phase): boolean {
  return phase === "early" || phase === "basic" || phase === "pre-network";
}
