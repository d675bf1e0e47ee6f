import type { Told } from "./machine.ts";
import { enabledBy, type Version, versionNames } from "./versions.ts";

/** What may be found when a machine has come up. */
export interface Expected {
  readonly versions: readonly Version[];
  /** The number last written to etcd and confirmed; it only ever rises. */
  readonly counter: number;
}

export interface Verdict {
  /** What answers. */
  readonly version: string;
  /** What became, before the service came up, of a change that the cut had interrupted: nothing, taken back, or finished. */
  readonly recovered: string;
  /** All that is not as it has to be. */
  readonly problems: readonly string[];
}

const parts = 8;

/** Judges what a machine has told of itself after it came up. */
export function judge(told: readonly Told[], expected: Expected): Verdict {
  const facts = new Map(told.map(({ name, text }) => [name, text]));
  const problems: string[] = [];
  const demand = (name: string, pattern: RegExp): string => {
    const text = facts.get(name) ?? "not told";
    if (!pattern.test(text)) problems.push(`${name}: ${text}`);
    return text;
  };
  const recover = demand("recover", /^0 /);
  const way = /was (taken back|finished)\b/.exec(recover)?.[1];
  if ((way !== undefined) !== (facts.get("found") ?? "").split(" ").includes("journal"))
    problems.push(`recover: ${recover} after ${facts.get("found")}`);
  demand("active", /^0 active$/);
  demand("health", /^0 .*is healthy/);
  demand("verify", /^0 /);
  demand("failed", /^0 $/);
  demand("settled", /^0 nothing to recover$/);
  demand("remains", /^0 $/);
  const counter = Number(demand("counter", /^0 [0-9]*$/).slice(2));
  if (counter < expected.counter) problems.push(`counter: ${counter} after ${expected.counter} had been confirmed`);
  const lines = demand("versions", /^0 /)
    .slice(2)
    .split("\n")
    .map((line) => line.split(": "));
  const found = lines.filter(([part]) => part !== "enabled by").map(([, version = "none"]) => version);
  const version = versionNames.find((name) => found.length === parts && found.every((each) => each === name));
  if (version === undefined || !expected.versions.includes(version))
    problems.push(`versions, of which ${expected.versions.join(" or ")} was to be: ${lines.join("; ")}`);
  else if (lines.find(([part]) => part === "enabled by")?.[1] !== enabledBy[version])
    problems.push(`enabled otherwise than ${version} is: ${lines.join("; ")}`);
  return { version: version ?? "a mix", recovered: way ?? "nothing", problems };
}

/** How far an update had got on the disk when the power went, by what the machine has found before anything ran. */
export function phaseOf(found: string, to: Version): string {
  const [current = "", unit = "", ...traces] = found.split(" ");
  const switched = current === `current=${to}`;
  if (traces.includes("journal")) {
    if (!switched) return "journalled, not yet switched";
    return unit === `unit=${to}` ? "switched, unit and all, not yet committed" : "switched, its unit not yet";
  }
  if (switched) return "committed";
  if (traces.includes("beside")) return "checking the deployment out";
  if (traces.includes("next")) return "checked out, not yet journalled";
  if (traces.includes("staging")) return "staging the image";
  return traces.includes("unswept") ? "in the store, or on its way in or out" : "nothing of it on the disk";
}
