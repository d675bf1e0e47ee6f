import { existsSync } from "node:fs";
import { checkStore, type Host } from "./journey.ts";
import { copyRoot, type OldState } from "./old-state.ts";
import { type Errno, needsRoom, type Point, runInto } from "./strace.ts";
import { broken, expectStatus, judgeFailure, stateOf, type Verdict, verdictOf } from "./verdict.ts";

/** How many runs came to what. */
export interface Tally {
  readonly points: number;
  readonly old: number;
  readonly new: number;
  /** What is wrong, and at which point. */
  readonly broken: readonly string[];
}

const codes: Readonly<Record<Errno, string>> = { ENOSPC: "E_NO_SPACE", EIO: "E_IO" };

/**
 * Kills the verb at each of these points. Then keelson recover has to give the old or the new state, with which nothing is
 * wrong, and the verb has to lead to the new one, after recover and without.
 */
export function killAtEach(state: OldState, points: readonly Point[]): Promise<Tally> {
  return judgeEach(points, "killed", (point) => verdictOf(() => killAt(state, point)));
}

/** The points at which this error can be met. */
export function pointsFor(errno: Errno, { points }: OldState): readonly Point[] {
  return points.filter((point) => errno === "EIO" || needsRoom(point));
}

/** Lets the call fail at each of these points. */
export function failAtEach(state: OldState, points: readonly Point[], errno: Errno): Promise<Tally> {
  return judgeEach(points, errno, (point) => verdictOf(() => failAt(state, point, errno)));
}

function killAt(state: OldState, point: Point): Promise<"old" | "new"> {
  return state.inLane(async ({ host, copy, log }) => {
    await runInto(host.root, state.args, log, point, "signal=KILL");
    await copyRoot(host.root, copy.root);
    // Where no journal is left, nothing at boot comes before somebody looks.
    if (!existsSync(host.path("var/lib/keelson/journal/transaction")))
      expectStatus("verify before recover", [0], await host.keelson("verify"));
    expectStatus("recover", [0], await host.keelson("recover"));
    const is = await stateOf(state, host, "after recover");
    expectStatus("verify", [0], await host.keelson("verify"));
    await checkStore(host.root).catch((error: Error) => broken(error.message));
    // From the old state, which it is byte for byte, the verb has led to the new one already.
    if (is === "new") await repeat(state, host, "after recover");
    await repeat(state, copy, "without recover");
    return is;
  });
}

async function repeat(state: OldState, host: Host, when: string): Promise<void> {
  const { verb, args } = state;
  expectStatus(`${verb.name} ${when}`, [0, verb.again], await host.keelson(...args));
  const is = await stateOf(state, host, `${verb.name} again ${when}`);
  if (is !== "new") broken(`${verb.name} again ${when} gives the old state`);
}

function failAt(state: OldState, point: Point, errno: Errno): Promise<"old" | "new"> {
  return state.inLane(async ({ host, log }) => {
    const ran = await runInto(host.root, state.args, log, point, `error=${errno}`);
    return judgeFailure(state, host, ran, codes[errno], async () => {});
  });
}

/** Two at a time: the runs are other processes. */
async function judgeEach(
  points: readonly Point[],
  what: string,
  judge: (point: Point) => Promise<Verdict>,
): Promise<Tally> {
  const pending = [...points];
  const verdicts: Verdict[] = [];
  const wrong: string[] = [];
  async function work(): Promise<void> {
    for (let point = pending.shift(); point !== undefined; point = pending.shift()) {
      const verdict = await judge(point);
      verdicts.push(verdict);
      if (verdict.kind === "broken") wrong.push(`${what} at ${point.text}, time ${point.when}: ${verdict.why}`);
    }
  }
  await Promise.all([work(), work()]);
  const count = (kind: Verdict["kind"]): number => verdicts.filter((verdict) => verdict.kind === kind).length;
  return { points: points.length, old: count("old"), new: count("new"), broken: wrong };
}
