import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { hostAt } from "./journey.ts";
import { copyRoot, type OldState } from "./old-state.ts";
import { run } from "./run.ts";
import type { Tally } from "./sweep.ts";
import { expectStatus, judgeFailure, type Verdict, verdictOf } from "./verdict.ts";

/** What a file system can run out of. */
export type Room = "bytes" | "inodes";

const blockSize = 4096;
const plenty = 1 << 30;

/**
 * Runs the verb on a file system of its own that has room for nothing more, then on one with room for one block, or one
 * inode, more than that, and so on until the verb has enough: it is full from there on, not for one call.
 */
export async function fillUp(state: OldState, room: Room): Promise<Tally> {
  const mounts = await Promise.all(["one", "other"].map((name) => mountDisk(join(state.scratch, `${name}-${room}`))));
  const tally = { points: 0, old: 0, new: 0 };
  const wrong: string[] = [];
  for (let left = 0; ; left += mounts.length) {
    for (const { verdict, done } of await Promise.all(
      mounts.map((mount, index) => runWith(state, mount, room, left + index)),
    )) {
      if (verdict.kind === "broken") wrong.push(`${tally.points} ${room} left: ${verdict.why}`);
      else tally[verdict.kind] += 1;
      tally.points += 1;
      if (done) return { ...tally, broken: wrong };
    }
  }
}

async function mountDisk(path: string): Promise<string> {
  await mkdir(path);
  await run("mount", "-t", "tmpfs", "-o", `size=${plenty},mode=755`, "tmpfs", path);
  onTestFinished(async () => {
    await run("umount", path);
  });
  return path;
}

async function runWith(
  state: OldState,
  mount: string,
  room: Room,
  left: number,
): Promise<{ readonly verdict: Verdict; readonly done: boolean }> {
  const host = hostAt(join(mount, "host"));
  await copyRoot(state.root, host.root);
  const used = (await run("df", `--block-size=${blockSize}`, "--output=used,iused", mount)).trim().split("\n").at(-1);
  const [blocks = 0, inodes = 0] = (used ?? "").trim().split(/ +/).map(Number);
  const limit = room === "bytes" ? `size=${(blocks + left) * blockSize}` : `nr_inodes=${inodes + left}`;
  await run("mount", "-o", `remount,${limit}`, mount);
  const ran = await host.keelson(...state.args);
  const makeRoom = async (): Promise<void> => {
    await run("mount", "-o", `remount,size=${plenty},nr_inodes=${plenty / blockSize}`, mount);
  };
  const verdict = await verdictOf(async () => {
    const is = await judgeFailure(state, host, ran, "E_NO_SPACE", makeRoom);
    expectStatus("verify", [0], await host.keelson("verify"));
    return is;
  });
  await makeRoom();
  return { verdict, done: ran.status === 0 };
}
