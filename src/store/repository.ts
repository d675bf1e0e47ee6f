import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { KeelsonError, printable } from "../errors.ts";
import type { ObjectName } from "../layer/change.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { writeTreeObjects } from "./commit.ts";
import { syncDirectory, writeDurably } from "./durable.ts";
import { onFile } from "./name-file.ts";
import { type ObjectKind, objectPath } from "./object.ts";
import { repositoryMode } from "./owner.ts";
import { removeTree } from "./remove.ts";
import { openStaging, type Staging, stagingPlaces } from "./staging.ts";
import { openWriteBack, type WriteBack } from "./write-back.ts";

/**
 * An OSTree repository in `bare` mode, or `bare-user-only` for a user other than root
 * (https://ostreedev.github.io/ostree/repo/), at `path`. Objects are first staged: until publish() nothing outside
 * `tmp/staging` has changed, and what publish() shows is on the medium.
 */
export interface Repository extends Staging {
  readonly path: string;
  /** Where the object is read from. Throws E_STORE when it is nowhere. */
  locate(name: ObjectName, kind: ObjectKind): string;
  /** The same, but where everything is published it is not looked for: whoever opens it finds out. */
  pathOf(name: ObjectName, kind: ObjectKind): string;
  /** Counts a content object that is not published as staged: someone else has written it. */
  adopt(name: ObjectName): void;
  /** Begins to bring what is staged onto its medium: publish() has to wait for less. */
  writeBack(): void;
  /** Syncs what is staged and moves it among the objects. A crash in between leaves objects nobody names. */
  publish(): void;
  /** Forgets what is staged. */
  discard(): void;
}

const config = `[core]\nrepo_version=1\nmode=${repositoryMode}\n`;
const directories = ["objects", "refs/heads", "refs/mirrors", "refs/remotes", "tmp", "state", "extensions"];

export interface RepositoryOptions {
  /** A repository whose objects are there too; it is only read. */
  readonly parent?: string | undefined;
  /** Objects, as paths below `objects/`, that count as not there until they are published anew, in place of what is there. */
  readonly damaged?: ReadonlySet<string>;
}

/**
 * Opens the repository for writing, making it when it is not there. The caller holds the store's lock. Throws E_STORE for one
 * of another mode.
 */
export function openRepository(path: string, options: RepositoryOptions = {}): Repository {
  makeRepository(path);
  sweepStaging(path);
  const damaged = new Set(options.damaged);
  const places = stagingPlaces(path, options.parent);
  const area = openStaging({ ...places, damaged, scratch: "scratch" });
  let syncing: WriteBack | undefined;

  function opened(): WriteBack {
    syncing ??= openWriteBack(places.staging);
    return syncing;
  }

  function clear(): void {
    syncing?.close();
    syncing = undefined;
    area.clear();
    sweepStaging(path);
  }

  function locate(name: ObjectName, kind: ObjectKind): string {
    const object = area.find(name, kind);
    if (object === undefined) throw lost(name, kind);
    return object;
  }

  return {
    path,
    has: area.has,
    stagePath: area.stagePath,
    scratchPath: area.scratchPath,
    adopt: area.adopt,
    locate,
    pathOf(name, kind) {
      const elsewhere = options.parent !== undefined || !area.isEmpty() || damaged.size > 0;
      return elsewhere ? locate(name, kind) : `${path}/objects/${objectPath(name, kind)}`;
    },
    writeBack: () => {
      // What is staged by someone else is not known here before it is adopted.
      if (existsSync(places.staging)) opened().begin();
    },
    publish() {
      if (!area.isEmpty()) publishObjects(places.staging, join(path, "objects"), area.staged(), opened());
      if (damaged.size > 0) for (const object of area.staged()) damaged.delete(object);
      clear();
    },
    discard: clear,
  };
}

/** Removes what a crash has left staged. */
export function sweepStaging(path: string): void {
  removeTree(stagingPlaces(path, undefined).staging);
}

/** Stages the directories and the commit of a tree; the name of the commit. `timestamp` in seconds since 1970. */
export function stageCommit(
  repository: Repository,
  tree: DirectoryNode,
  subject: string,
  timestamp: number,
): ObjectName {
  return writeTreeObjects(tree, subject, timestamp, (name, kind, bytes) => {
    if (repository.has(name, kind)) return;
    const path = repository.stagePath(name, kind);
    onFile(path, () => writeFileSync(path, bytes, { mode: 0o644, flag: "wx" }));
  });
}

/** Makes a ref name a commit that is published. */
export function writeRef(repository: Repository, ref: string, commit: ObjectName): void {
  const file = refPath(repository.path, ref);
  mkdirSync(dirname(file), { recursive: true });
  writeDurably(file, `${commit}\n`, 0o644);
}

/** Where a ref is kept in the repository at `path`. */
export function refPath(path: string, ref: string): string {
  return join(path, "refs", "heads", ref);
}

function makeRepository(path: string): void {
  if (existsSync(join(path, "config"))) refuseOtherMode(path);
  if (["config", ...directories].every((name) => existsSync(join(path, name)))) return;
  for (const directory of directories) mkdirSync(join(path, directory), { recursive: true, mode: 0o755 });
  writeDurably(join(path, "config"), config, 0o644);
}

/** Objects of one mode are not what their names say in another. */
function refuseOtherMode(path: string): void {
  const [, mode = ""] = /^mode=(.*)$/m.exec(readFileSync(join(path, "config"), "utf8")) ?? [];
  if (mode === repositoryMode) return;
  throw new KeelsonError("E_STORE", `${path} is a repository of the mode ${printable(mode)}, not ${repositoryMode}`, {
    hint: "root's store and that of another user cannot be one: give each a state_directory of its own.",
  });
}

/** Data first, then names: an object that can be seen under `objects/` is whole. */
function publishObjects(staging: string, published: string, staged: Iterable<string>, syncing: WriteBack): void {
  syncing.finish();
  const there = new Set(readdirSync(published));
  const moved = new Set<string>();
  for (const object of staged) {
    const prefix = object.slice(0, 2);
    if (there.has(prefix)) renameSync(`${staging}/${object}`, `${published}/${object}`);
    // Nothing of that prefix is published yet: all of it goes at once.
    else if (!moved.has(prefix)) renameSync(`${staging}/${prefix}`, `${published}/${prefix}`);
    if (!there.has(prefix)) moved.add(prefix);
  }
  syncDirectory(published);
  syncing.finish();
}

function lost(name: ObjectName, kind: ObjectKind): KeelsonError {
  return new KeelsonError("E_STORE", `the store has lost object ${name}.${kind}`, {
    hint: "Run keelson pull for the image again; it fetches what is missing.",
  });
}
