import type { HostChange } from "./change.ts";
import type { SwitchPlan } from "./switch.ts";

/** In which part of a change of several containers each change of one is made. */
const phases = ["stop", "change", "reload", "settle", "start", "watch"] as const;

function phaseOf({ kind }: HostChange): (typeof phases)[number] {
  switch (kind) {
    case "stop":
    case "reload":
    case "start":
    case "watch":
      return kind;
    case "tmpfiles-create":
    case "enable":
    case "reset-failed":
      return "settle";
    default:
      return "change";
  }
}

/**
 * Plans of several containers as one: all that is to be stopped stops first, in the order of `stopping`; then all are switched,
 * systemd reads its units once, and all are started in the order of `starting` and watched together. The lists are the same
 * plans, each made for the host as the ones before it in `starting` leave it.
 */
export function joinPlans(starting: readonly SwitchPlan[], stopping: readonly SwitchPlan[]): SwitchPlan {
  const part = (phase: (typeof phases)[number], plans: readonly SwitchPlan[]): readonly HostChange[] =>
    plans.flatMap(({ changes }) => changes.filter((change) => phaseOf(change) === phase));
  const changes = [
    // What leans on several stops before the first of them, and starts after the last.
    ...once(part("stop", stopping)),
    ...part("change", starting),
    ...part("reload", starting).slice(0, 1),
    ...part("settle", starting),
    ...once(part("start", starting).toReversed()).toReversed(),
    ...part("watch", starting),
  ];
  return { changes, kept: starting.flatMap(({ kept }) => kept) };
}

function once(changes: readonly HostChange[]): readonly HostChange[] {
  const seen = new Set<string>();
  return changes.filter((change) => {
    if (!("unit" in change) || seen.has(change.unit)) return false;
    seen.add(change.unit);
    return true;
  });
}
