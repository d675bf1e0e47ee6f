import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "../bed/run.ts";
import { chooseCuts, seeded } from "./cuts.ts";
import { makePowercutDisk } from "./disk.ts";
import { type Lane, laneAt, type Row, runLane } from "./lane.ts";
import { versionNames } from "./versions.ts";

const count = Number(process.env.POWERCUT_CUTS ?? 50);
const seed = Number(process.env.POWERCUT_SEED ?? Date.now() % 2 ** 31);
/** A machine keeps one processor busy. */
const laneCount = Math.min(availableParallelism(), 4);

let home: string;
let passed = false;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "keelson-powercut-"));
  await makePowercutDisk(home);
});
afterAll(async () => {
  if (passed) await rm(home, { recursive: true });
});

it(`after ${count} of ${count} power cuts etcd answers again, on the old version or on the new one`, async () => {
  say(`POWERCUT_CUTS=${count} POWERCUT_SEED=${seed} chooses these moments again`);
  const cuts = chooseCuts(count, seeded(seed));
  const lanes = Array.from({ length: laneCount }, (_, index) => laneAt(home, `lane-${index}`));
  const done = await Promise.all(
    lanes.map(async (lane, index) => {
      await run("cp", "--sparse=always", join(home, "disk.img"), lane.disk);
      const own = cuts.filter(({ number }) => number % laneCount === index);
      const rows = await runLane(lane, own, seeded(seed + index + 1), (row) => say(lineOf(row)));
      await checkDisk(lane);
      return rows;
    }),
  );
  const rows = done.flat();
  say(tableOf(rows));
  expect(rows).toHaveLength(count);
  passed = true;
}, 10_800_000);

/** File system and store are in order by the word of e2fsck and ostree, whatever the last cut was amid. */
async function checkDisk({ disk, left }: Lane): Promise<void> {
  // The first replays the journal, and says by its status that it has.
  await run("sh", "-c", 'e2fsck -fp "$1" || test $? = 1; e2fsck -fn "$1"', "sh", disk);
  const out = `${left}.repo`;
  await run("mkdir", out);
  await run("debugfs", "-R", `rdump /var/lib/keelson/repo ${out}`, disk);
  await run("ostree", "fsck", "-q", `--repo=${join(out, "repo")}`);
}

function lineOf({ cut, phase, lost, verdict, up }: Row): string {
  const again = cut.again === undefined ? "" : `, and at ${percent(cut.again)} of the boot`;
  const of = cut.cache === "lost" ? "the writes" : "the time";
  const when = `cut ${cut.number} at ${percent(cut.part)} of ${of} of update ${cut.update}${again}`;
  return `${when}: ${phase}; ${lost}; up in ${seconds(up)} s on ${verdict.version}, ${verdict.recovered} recovered`;
}

function tableOf(rows: readonly Row[]): string {
  const of = (those: readonly Row[]): string => {
    const ways = versionNames.map(
      (name) => `${those.filter(({ verdict }) => verdict.version === name).length} on ${name}`,
    );
    const back = those.filter(({ verdict }) => verdict.recovered !== "nothing").length;
    return `${ways.join(", ")}; ${back} recovered`;
  };
  const phases = [...new Set(rows.map(({ phase }) => phase))].sort();
  const lines = phases.map((phase) => {
    const those = rows.filter((row) => row.phase === phase);
    return `${String(those.length).padStart(4)}  ${phase}: ${of(those)}`;
  });
  const boots = `boots took ${spread(rows.map(({ up }) => up))}`;
  const updates = `updates ${spread(rows.flatMap(({ lengths }) => lengths))}`;
  return [`${rows.length} of ${count} came up: ${of(rows)}; ${boots}, ${updates}`, ...lines].join("\n");
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): string => seconds(sorted[Math.round(part * (sorted.length - 1))] ?? Number.NaN);
  return `${at(0)} to ${at(1)} s, half of them at most ${at(0.5)} s`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(1);
}

/** It runs for long: what is known is said at once. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
