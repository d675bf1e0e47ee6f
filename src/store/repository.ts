import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import type { ObjectName } from "../layer/change.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { writeTreeObjects } from "./commit.ts";
import { syncDirectory, writeDurably } from "./durable.ts";
import { libc } from "./libc.ts";
import { onFile } from "./name-file.ts";
import { type ObjectKind, objectPath } from "./object.ts";
import { removeTree } from "./remove.ts";

/**
 * An OSTree repository in `bare` mode (https://ostreedev.github.io/ostree/repo/), at `path`. Objects are first staged:
 * until publish() nothing outside `tmp/staging` has changed, and what publish() shows is on the medium.
 */
export interface Repository {
  readonly path: string;
  /** Whether the object is there, published or staged. */
  has(name: ObjectName, kind: ObjectKind): boolean;
  /** Where the object is read from. Throws E_STORE when it is nowhere. */
  locate(name: ObjectName, kind: ObjectKind): string;
  /** A path in the staging directory for an object that `has` does not know; the caller writes the file there. */
  stagePath(name: ObjectName, kind: ObjectKind): string;
  /** A path in the staging directory for content whose name is not known yet. */
  scratchPath(): string;
  /** Syncs what is staged and moves it among the objects. A crash in between leaves objects nobody names. */
  publish(): void;
  /** Forgets what is staged. */
  discard(): void;
}

const config = "[core]\nrepo_version=1\nmode=bare\n";
const directories = ["objects", "refs/heads", "refs/mirrors", "refs/remotes", "tmp", "state", "extensions"];

export interface RepositoryOptions {
  /** A repository whose objects are there too; it is only read. */
  readonly parent?: string | undefined;
  /** Objects, as paths below `objects/`, that count as not there until they are published anew, in place of what is there. */
  readonly damaged?: ReadonlySet<string>;
}

/** Opens the repository for writing, making it when it is not there. The caller holds the store's lock. */
export function openRepository(path: string, options: RepositoryOptions = {}): Repository {
  makeRepository(path);
  const staging = stagingOf(path);
  sweepStaging(path);
  const published = join(path, "objects");
  const damaged = new Set(options.damaged);
  const findPublished = publishedObjects(published, options.parent, damaged);
  const staged = new Set<string>();
  let scratch = 0;

  function find(name: ObjectName, kind: ObjectKind): string | undefined {
    const object = objectPath(name, kind);
    return staged.has(object) ? join(staging, object) : findPublished(object);
  }

  function stagePath(name: ObjectName, kind: ObjectKind): string {
    const object = objectPath(name, kind);
    mkdirSync(join(staging, name.slice(0, 2)), { recursive: true, mode: 0o700 });
    staged.add(object);
    return join(staging, object);
  }

  function clear(): void {
    staged.clear();
    sweepStaging(path);
  }

  return {
    path,
    has: (name, kind) => find(name, kind) !== undefined,
    stagePath,
    locate(name, kind) {
      const object = find(name, kind);
      if (object === undefined) throw lost(name, kind);
      return object;
    },
    scratchPath() {
      mkdirSync(staging, { recursive: true, mode: 0o700 });
      return join(staging, `scratch-${scratch++}`);
    },
    publish() {
      if (staged.size > 0) publishObjects(staging, published, staged);
      for (const object of staged) damaged.delete(object);
      clear();
    },
    discard: clear,
  };
}

/** Removes what a crash has left staged. */
export function sweepStaging(path: string): void {
  removeTree(stagingOf(path));
}

function stagingOf(path: string): string {
  return join(path, "tmp", "staging");
}

/**
 * Finds an object among those published, then those of the parent; none while it is damaged. One that is there stays, as
 * long as one writer has the lock.
 */
function publishedObjects(
  published: string,
  parent: string | undefined,
  damaged: ReadonlySet<string>,
): (object: string) => string | undefined {
  const directories = [published, ...(parent === undefined ? [] : [join(parent, "objects")])];
  const known = new Map<string, string>();
  return (object) => {
    if (damaged.has(object)) return undefined;
    if (known.has(object)) return known.get(object);
    const path = directories
      .map((directory) => join(directory, object))
      .find((place) => lstatSync(place, { throwIfNoEntry: false }));
    if (path !== undefined) known.set(object, path);
    return path;
  };
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
  if (["config", ...directories].every((name) => existsSync(join(path, name)))) return;
  for (const directory of directories) mkdirSync(join(path, directory), { recursive: true, mode: 0o755 });
  writeDurably(join(path, "config"), config, 0o644);
}

/** Data first, then names: an object that can be seen under `objects/` is whole. */
function publishObjects(staging: string, published: string, staged: ReadonlySet<string>): void {
  const fd = openSync(staging, "r");
  try {
    onFile(staging, () => libc().syncFileSystem(fd));
    const prefixes = new Set(readdirSync(published));
    for (const object of staged) {
      const prefix = object.slice(0, 2);
      if (!prefixes.has(prefix)) mkdirSync(join(published, prefix), { mode: 0o755 });
      prefixes.add(prefix);
      renameSync(join(staging, object), join(published, object));
    }
    syncDirectory(published);
    onFile(staging, () => libc().syncFileSystem(fd));
  } finally {
    closeSync(fd);
  }
}

function lost(name: ObjectName, kind: ObjectKind): KeelsonError {
  return new KeelsonError("E_STORE", `the store has lost object ${name}.${kind}`, {
    hint: "Run keelson pull for the image again; it fetches what is missing.",
  });
}
