import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Host, hostAt, makeHost } from "./journey.ts";
import { run } from "./run.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";
import { type Point, tracePoints } from "./strace.ts";
import { type Images, inOrder, type Verb } from "./verbs.ts";

/** A verb, the state it is to change, and what it comes to when nothing disturbs it. */
export interface OldState {
  readonly verb: Verb;
  readonly args: readonly string[];
  /** Byte for byte. */
  readonly old: Snapshot;
  /** But for times and random numbers. */
  readonly done: Snapshot;
  /** Every call by which the verb changes something, in order. */
  readonly points: readonly Point[];
  /** The directory that the old state is in. */
  readonly root: string;
  /** A directory that goes with it. */
  readonly scratch: string;
  /** Runs `action` on a copy of the old state that nobody else uses meanwhile. */
  inLane<T>(action: (lane: Lane) => Promise<T>): Promise<T>;
}

/** A directory that is a host for one run at a time. */
export interface Lane {
  readonly host: Host;
  /** Where the same host can stand once more. */
  readonly copy: Host;
  /** A file for the trace of a run. */
  readonly log: string;
}

/** Makes the old state of a verb, and runs it once. All is gone when the test is over. */
export async function makeOldState(verb: Verb, images: Images): Promise<OldState> {
  const scratch = await mkdtemp(join(tmpdir(), "keelson-sweep-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
  const { root } = await prepare(scratch);
  const args = await verb.prepare(hostAt(root), images, scratch);
  const free: Lane[] = [];
  let made = 0;

  async function inLane<T>(action: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = free.pop() ?? laneAt(join(scratch, `lane-${made++}`));
    try {
      await copyRoot(root, lane.host.root);
      return await action(lane);
    } finally {
      free.push(lane);
    }
  }

  const old = await exactSnapshot(hostAt(root));
  const { points, done } = await inLane(async ({ host, log }) => {
    const traced = await tracePoints(host.root, args, log);
    if (traced.status !== 0) throw new Error(`${verb.name} fails by itself: ${traced.stderr}`);
    return { points: traced.points, done: await host.snapshot() };
  });
  return { verb, args, old, done, points, root, scratch, inLane };
}

/** Copies a root over another one. Hard links between the store and the deployments stay such. */
export async function copyRoot(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await run("cp", "-a", "--reflink=auto", from, to);
}

/** Everything but what the lock says: who had it last. */
export function exactSnapshot({ root }: Host): Promise<Snapshot> {
  return takeSnapshot(root, async (path) => (path === "var/lib/keelson/lock" ? "" : undefined));
}

async function prepare(scratch: string): Promise<Host> {
  const host = await makeHost(scratch);
  // Looked at often, and large.
  await rm(host.path("usr/sbin/runc"));
  await symlink("/usr/sbin/runc", host.path("usr/sbin/runc"));
  await mkdir(host.path("etc/keelson"));
  await writeFile(host.path("etc/keelson/keelson.conf"), inOrder);
  return host;
}

function laneAt(directory: string): Lane {
  return { host: hostAt(`${directory}-host`), copy: hostAt(`${directory}-copy`), log: `${directory}-trace` };
}
