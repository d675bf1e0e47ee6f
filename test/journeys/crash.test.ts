import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { checkStore, environment, type Host, makeHost, type Ran, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import type { Snapshot } from "../bed/snapshot.ts";

const shelf = openShelf();
let etcd: TestImage;
let scratch: string;

/** The system calls by which keelson changes the file system for good. */
const calls = ["rename", "link", "unlink", "symlink", "mkdir", "rmdir", "fsync", "syncfs", "unlinkat"];
const pointsOfVerb = 15;

interface CrashPoint {
  readonly call: string;
  readonly when: number;
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-crash-"));
  etcd = await shelf.build({ layers: [etcdLike(), { "etc/second": "2\n", "etc/.wh.first": "" }] });
});

afterAll(() => rm(scratch, { recursive: true }));

/** Runs keelson under strace; with a point, kills it when it enters that call for that time. */
async function traced(
  host: Host,
  args: readonly string[],
  point?: CrashPoint,
): Promise<Ran & { readonly trace: string }> {
  const log = join(scratch, "trace");
  const inject = point === undefined ? [] : ["-e", `inject=${point.call}:signal=KILL:when=${point.when}`];
  const options = ["-f", "-qq", "-o", log, "-e", `trace=${calls.join(",")}`, ...inject];
  const command = [await builtProgram(), "--root", host.root, ...args];
  const ran = await runToEnd("strace", [...options, ...command], { cwd: "/", env: environment });
  return { ...ran, trace: await readFile(log, "utf8") };
}

/**
 * As many points as the test has time for, spread over every call that changed something, and those where the journal is
 * begun and where the unit is enabled, which a journal does not list step by step.
 */
function pointsOf(trace: string): readonly CrashPoint[] {
  const counts = new Map<string, number>();
  const points: (CrashPoint & { readonly chosen: boolean })[] = [];
  for (const [line, call = "", result] of trace.matchAll(/^[0-9]+ +([a-z]+)\(.*\) += (-?[0-9]+)/gm)) {
    const when = (counts.get(call) ?? 0) + 1;
    counts.set(call, when);
    if (result === "0") points.push({ call, when, chosen: /\.wants|\.transaction/.test(line) });
  }
  expect(points.length).toBeGreaterThan(pointsOfVerb);
  const step = (points.length - 1) / (pointsOfVerb - 1);
  const spread = (index: number): boolean => Math.floor(index / step) !== Math.floor((index - 1) / step);
  return points.filter((point, index) => point.chosen || spread(index));
}

const install = (): readonly string[] => ["install", "--name", "foo", etcd.reference];
const uninstall = ["uninstall", "foo"];

/** Kills `verb` at each point, then lets `recover` or the verb itself put things right; in the end the root is `old`. */
async function crashEverywhere(
  host: Host,
  verb: readonly string[],
  back: readonly string[],
  old: Snapshot,
  points: readonly CrashPoint[],
  outcomes: readonly Snapshot[],
): Promise<void> {
  for (const [index, point] of points.entries()) {
    const where = `killed at ${point.call} ${point.when} of ${verb[0]}`;
    expect((await traced(host, verb, point)).status, where).toBe(137);
    const next = index % 2 === 0 ? ["recover"] : verb;
    const ran = await host.keelson(...next);
    // Said of an uninstall that was finished before it was asked for again.
    expect(ran.status === 3 && index % 2 === 1 ? ran.stderr : ran.status, `${where}: ${ran.stderr}`).toEqual(
      ran.status === 3 ? expect.stringContaining("E_NOT_FOUND") : 0,
    );
    const state = await host.snapshot();
    expect(outcomes, `${where}, then ${next[0]}`).toContainEqual(state);
    await checkStore(host.root);
    if (JSON.stringify(state) !== JSON.stringify(old)) await host.answer(...back);
    expect(await host.snapshot(), where).toEqual(old);
  }
}

it("25: install killed at any point is taken back or done, and can be repeated", async () => {
  const host = await makeHost();
  const old = await host.snapshot();
  const { trace } = await traced(host, install());
  const done = await host.snapshot();
  await host.answer(...uninstall);
  expect(await host.snapshot()).toEqual(old);

  await crashEverywhere(host, install(), uninstall, old, pointsOf(trace), [old, done]);
});

it("25, 59: uninstall killed at any point is finished or not begun, and can be repeated", async () => {
  const host = await makeHost();
  const gone = await host.snapshot();
  await host.answer(...install());
  const old = await host.snapshot();
  const { trace } = await traced(host, uninstall);
  expect(await host.snapshot()).toEqual(gone);
  await host.answer(...install());

  await crashEverywhere(host, uninstall, install(), old, pointsOf(trace), [old, gone]);
});

it("recover with nothing to recover says so and changes nothing", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  expect((await host.keelson("recover")).stdout).toBe("nothing to recover\n");
  await host.answer(...install());
  expect(await host.answer("recover")).toEqual({ recovered: null });
  await host.answer(...uninstall);
  expect(await host.snapshot()).toEqual(before);
});
