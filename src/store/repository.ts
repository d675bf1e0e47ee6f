import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import type { ObjectName } from "../layer/change.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { writeTreeObjects } from "./commit.ts";
import { syncDirectory, writeDurably } from "./durable.ts";
import { libc } from "./libc.ts";
import { type ObjectKind, objectPath } from "./object.ts";

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

/**
 * Opens the repository for writing, making it when it is not there. The caller holds the store's lock. With a `parent`, what
 * that repository has is there too; it is only read.
 */
export function openRepository(path: string, parent?: string): Repository {
  makeRepository(path);
  const staging = join(path, "tmp", "staging");
  rmSync(staging, { recursive: true, force: true });
  const published = join(path, "objects");
  const find = publishedObjects([published, ...(parent === undefined ? [] : [join(parent, "objects")])]);
  const staged = new Set<string>();
  let scratch = 0;

  function has(name: ObjectName, kind: ObjectKind): boolean {
    const object = objectPath(name, kind);
    return staged.has(object) || find(object) !== undefined;
  }

  function stagePath(name: ObjectName, kind: ObjectKind): string {
    const object = objectPath(name, kind);
    if (staged.size === 0) mkdirSync(staging, { recursive: true, mode: 0o700 });
    mkdirSync(join(staging, name.slice(0, 2)), { recursive: true, mode: 0o700 });
    staged.add(object);
    return join(staging, object);
  }

  function clear(): void {
    staged.clear();
    rmSync(staging, { recursive: true, force: true });
  }

  return {
    path,
    has,
    stagePath,
    locate(name, kind) {
      const object = objectPath(name, kind);
      if (staged.has(object)) return join(staging, object);
      const path = find(object);
      if (path === undefined) throw lost(name, kind);
      return path;
    },
    scratchPath() {
      mkdirSync(staging, { recursive: true, mode: 0o700 });
      return join(staging, `scratch-${scratch++}`);
    },
    publish() {
      if (staged.size > 0) publishObjects(staging, published, staged);
      clear();
    },
    discard: clear,
  };
}

/** Finds an object in the first of these directories that has it; one that is there stays, as long as one writer has the lock. */
function publishedObjects(directories: readonly string[]): (object: string) => string | undefined {
  const known = new Map<string, string>();
  return (object) => {
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
    if (!repository.has(name, kind))
      writeFileSync(repository.stagePath(name, kind), bytes, { mode: 0o644, flag: "wx" });
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
  if (existsSync(join(path, "config"))) return;
  for (const directory of directories) mkdirSync(join(path, directory), { recursive: true, mode: 0o755 });
  writeDurably(join(path, "config"), config, 0o644);
}

/** Data first, then names: an object that can be seen under `objects/` is whole. */
function publishObjects(staging: string, published: string, staged: ReadonlySet<string>): void {
  const fd = openSync(staging, "r");
  try {
    libc().syncFileSystem(fd);
    const prefixes = new Set(readdirSync(published));
    for (const object of staged) {
      const prefix = object.slice(0, 2);
      if (!prefixes.has(prefix)) mkdirSync(join(published, prefix), { mode: 0o755 });
      prefixes.add(prefix);
      renameSync(join(staging, object), join(published, object));
    }
    syncDirectory(published);
    libc().syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
}

function lost(name: ObjectName, kind: ObjectKind): KeelsonError {
  return new KeelsonError("E_STORE", `the store has lost object ${name}.${kind}`, {
    hint: "Run keelson pull for the image again; it fetches what is missing.",
  });
}
