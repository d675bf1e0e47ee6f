import type { Host, Ran } from "./journey.ts";
import { exactSnapshot, type OldState } from "./old-state.ts";
import { differingPaths, type Snapshot } from "./snapshot.ts";

/** What came of a run that was disturbed: the state it led to, or what is wrong with that. */
export type Verdict = { readonly kind: "old" | "new" } | { readonly kind: "broken"; readonly why: string };

class Broken extends Error {}

/** Says that a run is broken, to whoever judges it. */
export function broken(why: string): never {
  throw new Broken(why);
}

export async function verdictOf(judge: () => Promise<"old" | "new">): Promise<Verdict> {
  try {
    return { kind: await judge() };
  } catch (error) {
    if (error instanceof Broken) return { kind: "broken", why: error.message };
    throw error;
  }
}

/** Which of the two states this is, exactly. */
export async function stateOf({ old, done }: OldState, host: Host, when: string): Promise<"old" | "new"> {
  const fromOld = differingPaths(await exactSnapshot(host), old);
  if (fromOld.length === 0) return "old";
  const fromNew = differingPaths(await host.snapshot(), done);
  if (fromNew.length === 0) return "new";
  return broken(`${when} it differs from the old state in ${some(fromOld)}, and from the new in ${some(fromNew)}`);
}

export function expectStatus(what: string, wanted: readonly number[], ran: Ran): void {
  if (!wanted.includes(ran.status)) broken(`${what} ends with status ${ran.status}: ${ran.stdout}${ran.stderr}`);
}

/**
 * Judges a run that met an error of the system: it has to say so and leave the old state, or to have done what it was
 * asked nevertheless. `mend` takes the cause away.
 */
export async function judgeFailure(
  state: OldState,
  host: Host,
  ran: Ran,
  code: string,
  mend: () => Promise<void>,
): Promise<"old" | "new"> {
  if (ran.status !== 0) {
    expectClear(ran, code);
    const changed = differingPaths(hostPart(await exactSnapshot(host)), hostPart(state.old));
    if (changed.length > 0) broken(`after the failure ${some(changed)} is not as it was: ${ran.stderr}`);
  }
  await mend();
  expectStatus("recover", [0], await host.keelson("recover"));
  const is = await stateOf(state, host, "after recover");
  if (is === "old" && ran.status === 0) broken("it says it is done, and is not");
  if (is === "new" && ran.status !== 0 && !state.verb.forward) broken(`it says it failed, and is done: ${ran.stderr}`);
  return is;
}

/** One line with the code that names a file, and one that says what to do. */
function expectClear(ran: Ran, code: string): void {
  const [what = "", hint = "", rest] = ran.stderr.split("\n").slice(-3);
  const clear = what.startsWith("keelson: ") && what.endsWith(` (${code})`) && what.includes("/");
  if (!clear || !/^ {2}[A-Z].*\.$/.test(hint) || rest !== "") broken(`it says: ${ran.stderr}`);
}

/** What of a host is not keelson's own, and which deployments are current. */
function hostPart(snapshot: Snapshot): Snapshot {
  const seen = ([path]: readonly [string, string]): boolean =>
    !path.startsWith("/var/lib/keelson") || path.endsWith("/current");
  return Object.fromEntries(Object.entries(snapshot).filter(seen));
}

function some(paths: readonly string[]): string {
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : "";
  return `${paths.slice(0, 3).join(", ")}${more}`;
}
