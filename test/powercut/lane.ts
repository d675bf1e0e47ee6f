import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { run } from "../bed/run.ts";
import type { Cut } from "./cuts.ts";
import { loseWrites, type Moment } from "./lost-writes.ts";
import { type Machine, switchOn, type Told } from "./machine.ts";
import { type Expected, judge, phaseOf, type Verdict } from "./verdict.ts";
import { type Version, versionNames } from "./versions.ts";

/** A machine of its own on a disk of its own, which is cut off again and again. */
export interface Lane {
  /** With `vmlinuz` and `initrd`. */
  readonly home: string;
  readonly disk: string;
  readonly log: string;
  readonly console: string;
  /** The disk as the last cut has left it: to be looked at when the machine does not come up as it should. */
  readonly left: string;
}

/** A cut, and how the machine has come up again. */
export interface Row {
  readonly cut: Cut;
  /** How far the update had got on the disk. */
  readonly phase: string;
  /** What of the disk's cache was lost, if anything was. */
  readonly lost: string;
  readonly verdict: Verdict;
  /** Milliseconds until the machine had told how it is. */
  readonly up: number;
  /** Milliseconds that the updates took which were not cut off. */
  readonly lengths: readonly number[];
}

interface Up {
  readonly machine: Machine;
  readonly verdict: Verdict;
  readonly after: number;
}

/** Where the files of a lane are. */
export function laneAt(home: string, name: string): Lane {
  const file = (ending: string): string => join(home, `${name}.${ending}`);
  return { home, disk: file("img"), log: file("log"), console: file("console"), left: file("left.img") };
}

/**
 * Lets the machine come up, update twice, and come up again; then makes the cuts, each followed by a machine that has to come
 * up as it should. Throws, saying where the disk is, when one does not.
 */
export async function runLane(
  lane: Lane,
  cuts: readonly Cut[],
  random: () => number,
  say: (row: Row) => void,
): Promise<readonly Row[]> {
  let expected: Expected = { versions: ["v1"], counter: 0 };
  let up = await comeUp(lane, expected, "the first boot");
  for (const update of [1, 2]) await up.machine.until("end", update);
  await up.machine.cut();
  const lengths = lengthsOf(up.machine.told);
  expected = expectedAfter(up.machine.told, expected);
  up = await comeUp(lane, expected, "the second boot");
  const rows: Row[] = [];
  for (const cut of cuts) {
    const lost: string[] = [];
    const begin = await up.machine.until("begin", cut.update);
    if (cut.cache === "lost") await up.machine.until("end", cut.update);
    else await pass(1.1 * cut.part * (lengths[cut.update - 1] ?? 0));
    await up.machine.cut();
    const measured = lengthsOf(up.machine.told);
    Object.assign(lengths, measured);
    const told = await settle(lane, up.machine, cut, { from: begin.written, part: cut.part }, random, lost);
    expected = expectedAfter(told, expected);
    const again = cut.again === undefined ? undefined : await cutAgain(lane, cut, cut.again * up.after, random, lost);
    expected = expectedAfter(again?.told ?? [], expected);
    up = await comeUp(lane, expected, `cut ${cut.number}`);
    const found = again?.found ?? (await up.machine.until("found"));
    const to = updatesOf(told).at(-1)?.to;
    const phase = to === undefined ? "no update" : phaseOf(found.text, to);
    const row = { cut, phase, lost: lost.join(", then "), verdict: up.verdict, up: up.after, lengths: measured };
    say(row);
    rows.push(row);
  }
  await up.machine.cut();
  return rows;
}

/** Switches the machine on and waits until it has told how it is, which has to be well. */
async function comeUp(lane: Lane, expected: Expected, occasion: string): Promise<Up> {
  await run("cp", "--sparse=always", lane.disk, lane.left);
  const machine = await switchOn(lane);
  const checked = await machine.until("checked").catch((error: Error) => {
    throw new Error(`${occasion}, with the disk ${lane.left}: ${error.message}`);
  });
  const verdict = judge(machine.told, expected);
  if (verdict.problems.length === 0) return { machine, verdict, after: checked.at };
  await machine.cut();
  const where = `${occasion}, with the disk ${lane.left} and the console ${lane.console}:`;
  throw new Error([where, ...verdict.problems].join("\n"));
}

/**
 * Makes the disk of a machine that is off what the cut has left of it; what was told before the power went. An update that had
 * failed by then is no less a failure.
 */
async function settle(
  lane: Lane,
  { told }: Machine,
  cut: Cut,
  moment: Moment,
  random: () => number,
  lost: string[],
): Promise<readonly Told[]> {
  const failed = updatesOf(told).find(({ end }) => end !== undefined && !end.text.startsWith("0 "));
  if (failed !== undefined) throw new Error(`before cut ${cut.number} an update failed: ${failed.end?.text}`);
  if (cut.cache === "written") {
    lost.push("no write lost");
    return told;
  }
  const writes = await loseWrites(lane.left, lane.log, lane.disk, moment, random);
  lost.push(`${writes.lost} of ${writes.lost + writes.kept} writes in the cache lost`);
  return told.filter(({ written }) => written <= writes.until);
}

/**
 * Cuts the power while the machine comes up; what it had found of the cut before, and what it has told of itself until then.
 */
async function cutAgain(
  lane: Lane,
  cut: Cut,
  time: number,
  random: () => number,
  lost: string[],
): Promise<{ readonly found: Told; readonly told: readonly Told[] }> {
  await run("cp", "--sparse=always", lane.disk, lane.left);
  const machine = await switchOn(lane);
  const found = await machine.until("found");
  await pass(time);
  await machine.cut();
  return { found, told: await settle(lane, machine, cut, { from: 0, part: random() }, random, lost) };
}

interface Update {
  readonly counter: number;
  readonly to: Version;
  readonly begin: Told;
  readonly end?: Told | undefined;
}

function updatesOf(told: readonly Told[]): readonly Update[] {
  const ends = told.filter(({ name }) => name === "end");
  return told
    .filter(({ name }) => name === "begin")
    .map((begin, index) => {
      const [counter, name] = begin.text.split(" ");
      const to = versionNames.find((version) => version === name);
      if (to === undefined) throw new Error(`an update to ${name}`);
      return { counter: Number(counter), to, begin, end: ends[index] };
    });
}

/** How long the updates since a boot have taken that came to their end. */
function lengthsOf(told: readonly Told[]): number[] {
  return updatesOf(told).flatMap(({ begin, end }) => (end === undefined ? [] : [end.at - begin.at]));
}

/** What has to be found after what was told: an update that has ended is there to stay. */
function expectedAfter(told: readonly Told[], before: Expected): Expected {
  const last = updatesOf(told).at(-1);
  if (last === undefined) return before;
  return { versions: last.end === undefined ? versionNames : [last.to], counter: last.counter };
}
