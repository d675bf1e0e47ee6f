import { existsSync, readFileSync, readlinkSync, renameSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../errors.ts";
import type { HostChange } from "../plan/change.ts";
import type { Deployment } from "../plan/deployment.ts";
import { textState } from "../plan/file-state.ts";
import { namesIn } from "../store/directory.ts";
import { setMark, syncDirectory, writeDurably } from "../store/durable.ts";
import { removeFile, removeTree } from "../store/remove.ts";
import { mountedSources } from "./mounts.ts";
import type { HostRoot } from "./root.ts";

const privateMode = 0o600;

/** Behind the number of a deployment that is being removed. */
export const goingSuffix = ".old";

/** What became of a deployment: `good` when it was switched to and stayed, `failed` when it had to go. */
export interface Outcome {
  readonly state: "good" | "failed";
  /** RFC 3339. */
  readonly at: string;
  /** Why it failed; empty otherwise. */
  readonly reason: string;
}

/** One deployment of a container, current or earlier. */
export interface Generation {
  readonly number: number;
  readonly current: boolean;
  readonly pinned: boolean;
  /** Absent when its record cannot be read. */
  readonly deployment?: Deployment;
  readonly outcome?: Outcome;
}

/** Every deployment of `name` below `directory`, oldest first. */
export function readGenerations(directory: string, name: string): readonly Generation[] {
  const container = join(directory, name);
  const current = currentOf(container);
  return namesIn(container)
    .filter((entry) => /^[1-9][0-9]*$/.test(entry))
    .map(Number)
    .sort((a, b) => a - b)
    .map((number) => {
      const place = join(container, String(number));
      const deployment = readJson<Deployment>(join(place, "deployment.json"));
      const outcome = readJson<Outcome>(join(place, "outcome.json"));
      return {
        number,
        current: number === current,
        pinned: existsSync(join(place, "pinned")),
        ...(deployment === undefined ? {} : { deployment }),
        ...(outcome === undefined ? {} : { outcome }),
      };
    });
}

/** Notes what became of a deployment, durably. */
export function writeOutcome(directory: string, name: string, number: number, outcome: Outcome): void {
  const { path, text } = outcomeFile(directory, name, number, outcome);
  writeDurably(path, text, privateMode);
}

/** What notes that a deployment is good, and what marks its container as one to be swept, as changes of the host. */
export function noteChanges(
  places: { readonly root: HostRoot; readonly directory: string },
  name: string,
  number: number,
  at: string,
): readonly HostChange[] {
  const { directory, root } = places;
  const { path, text } = outcomeFile(directory, name, number, { state: "good", at, reason: "" });
  const marked = existsSync(markOf(directory, name));
  return [
    { kind: "file", path: root.pathOf(path), to: textState(text, privateMode) },
    ...(marked
      ? []
      : [{ kind: "file", path: root.pathOf(markOf(directory, name)), to: textState("", privateMode) } as const]),
  ];
}

function outcomeFile(
  directory: string,
  name: string,
  number: number,
  outcome: Outcome,
): { readonly path: string; readonly text: string } {
  return { path: join(directory, name, String(number), "outcome.json"), text: `${JSON.stringify(outcome)}\n` };
}

/** Keeps a deployment from being swept, or lets it go again. */
export function writePin(directory: string, name: string, number: number, pinned: boolean): void {
  const path = join(directory, name, String(number), "pinned");
  if (pinned) writeDurably(path, "", 0o600);
  else removeFile(path);
}

/** A deployment by its place. */
export interface Place {
  readonly name: string;
  readonly number: number;
}

/**
 * The deployments beyond the newest `keep`; of those that failed only the last is kept, beside them, to be looked at.
 * Never the current one, a pinned one, or one that a process still lives in, or that is mounted.
 */
export function spareGenerations(directory: string, name: string, keep: number): readonly Place[] {
  const generations = readGenerations(directory, name);
  const failed = generations.filter(({ outcome, current }) => outcome?.state === "failed" && !current);
  const good = generations.filter((generation) => !failed.includes(generation));
  const old = [...good.slice(0, Math.max(0, good.length - keep)), ...failed.slice(0, -1)];
  const candidates = old.filter(({ current, pinned }) => !current && !pinned);
  if (candidates.length === 0) return [];
  const inUse = [...mountedSources()];
  // The kernel names a root from the top of its own file system, which need not be the host's.
  return candidates
    .filter(({ number }) => !inUse.some((root) => root.endsWith(`/${name}/${number}/rootfs`)))
    .map(({ number }) => ({ name, number }));
}

/** Removes a deployment. Cut short, it leaves a name that sweepDeployments removes, and never half of a deployment. */
export function removeGeneration(directory: string, { name, number }: Place): void {
  const going = join(directory, name, `${number}${goingSuffix}`);
  renameSync(join(directory, name, String(number)), going);
  syncDirectory(join(directory, name));
  removeTree(going);
}

/** Removes the deployments that spareGenerations names; their numbers. */
export function sweepGenerations(directory: string, name: string, keep: number): readonly number[] {
  const spare = spareGenerations(directory, name, keep);
  for (const place of spare) removeGeneration(directory, place);
  return spare.map(({ number }) => number);
}

/** Does so for the containers that are marked. */
export function sweepIfMarked(directory: string, keep: number): void {
  for (const name of namesIn(directory).filter((each) => existsSync(markOf(directory, each)))) {
    sweepGenerations(directory, name, keep);
    removeFile(markOf(directory, name));
  }
}

/** Marks a container, durably: the next sweep removes the deployments that are beyond those kept. */
export function markForSweep(directory: string, name: string): void {
  setMark(markOf(directory, name));
}

function markOf(directory: string, name: string): string {
  return join(directory, name, "unswept");
}

/** A deployment that could be gone back to, and so holds on to its image. */
export interface Holder extends Place {
  readonly current: boolean;
  readonly deployment: Deployment;
}

/** Every deployment of every container whose record can be read. */
export function readHolders(directory: string): readonly Holder[] {
  return namesIn(directory)
    .toSorted()
    .flatMap((name) =>
      readGenerations(directory, name).flatMap(({ number, current, deployment }) =>
        deployment === undefined ? [] : [{ name, number, current, deployment }],
      ),
    );
}

function currentOf(container: string): number | undefined {
  try {
    return Number(readlinkSync(join(container, "current")));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return undefined;
  }
}
