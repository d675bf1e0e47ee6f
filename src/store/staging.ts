import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ObjectName } from "../layer/change.ts";
import { namesIn } from "./directory.ts";
import { type ObjectKind, objectKinds, objectPath } from "./object.ts";

/** Where new objects of a repository are written before they are published, and what is there already. */
export interface Staging {
  /** Whether the object is there, published or staged. */
  has(name: ObjectName, kind: ObjectKind): boolean;
  /** A path in the staging directory for an object that `has` does not know; the caller writes the file there. */
  stagePath(name: ObjectName, kind: ObjectKind): string;
  /** A path in the staging directory for content whose name is not known yet. */
  scratchPath(): string;
}

/** The same as the repository itself uses it. */
export interface OwnStaging extends Staging {
  /** What is staged, as paths below `objects/`. */
  staged(): Iterable<string>;
  isEmpty(): boolean;
  /** Where an object is; undefined when it is nowhere. */
  find(name: ObjectName, kind: ObjectKind): string | undefined;
  /** Counts a content object that is not published as staged: someone else has written it. */
  adopt(name: ObjectName): void;
  /** Forgets what is staged, and looks anew for what is published. */
  clear(): void;
}

export interface StagingPlaces {
  readonly staging: string;
  /** Directories of published objects, the first that has one counts. */
  readonly published: readonly string[];
  /** Objects, as paths below `objects/`, that count as not there until they are published anew. */
  readonly damaged: ReadonlySet<string>;
  /** What the names of scratch paths begin with: no two that write at once have the same. */
  readonly scratch: string;
}

/** Where objects of the repository at `path` are staged, and where they are found; `parent` as for openRepository. */
export function stagingPlaces(path: string, parent: string | undefined): Pick<StagingPlaces, "staging" | "published"> {
  const published = [path, ...(parent === undefined ? [] : [parent])].map((repository) => join(repository, "objects"));
  return { staging: join(path, "tmp", "staging"), published };
}

/** One writer has the repository's lock, so what is published stays. */
export function openStaging({ staging, published, damaged, scratch }: StagingPlaces): OwnStaging {
  const staged = objectSets();
  const directories = openDirectories(staging);
  let findPublished = openPublished(published);
  let scratches = 0;

  /** The directory that has the object. */
  function directoryOf(name: ObjectName, kind: ObjectKind): string | undefined {
    if (staged[kind].has(name)) return staging;
    if (damaged.size > 0 && damaged.has(objectPath(name, kind))) return undefined;
    return findPublished(name, kind);
  }

  return {
    *staged() {
      for (const kind of objectKinds) for (const name of staged[kind]) yield objectPath(name, kind);
    },
    isEmpty: () => objectKinds.every((kind) => staged[kind].size === 0),
    find(name, kind) {
      const directory = directoryOf(name, kind);
      return directory && `${directory}/${objectPath(name, kind)}`;
    },
    has: (name, kind) => directoryOf(name, kind) !== undefined,
    stagePath(name, kind) {
      directories.make(name.slice(0, 2));
      staged[kind].add(name);
      return `${staging}/${objectPath(name, kind)}`;
    },
    scratchPath() {
      directories.make("");
      return `${staging}/${scratch}-${scratches++}`;
    },
    adopt(name) {
      // Of two equal strings the caller's is the one that is kept anyway.
      if (staged.file.delete(name) || directoryOf(name, "file") === undefined) staged.file.add(name);
    },
    clear() {
      for (const kind of objectKinds) staged[kind].clear();
      directories.clear();
      findPublished = openPublished(published);
    },
  };
}

type ObjectSets = Readonly<Record<ObjectKind, Set<ObjectName>>>;

function objectSets(): ObjectSets {
  return { file: new Set(), dirtree: new Set(), dirmeta: new Set(), commit: new Set() };
}

/** Makes the staging directory and those in it, each once. */
function openDirectories(staging: string): { make(prefix: string): void; clear(): void } {
  const made = new Set<string>();
  function make(prefix: string): void {
    if (made.has(prefix)) return;
    if (prefix !== "") make("");
    // Those in it are closed by the one above; with this mode they can become published directories.
    mkdirSync(`${staging}/${prefix}`, { recursive: true, mode: prefix === "" ? 0o700 : 0o755 });
    made.add(prefix);
  }
  return { make, clear: () => made.clear() };
}

/** Finds the directory that has an object; the names in a directory are read once, when the first of them is asked for. */
function openPublished(directories: readonly string[]): (name: ObjectName, kind: ObjectKind) => string | undefined {
  const places = directories.map((directory) => ({ directory, objects: objectSets(), read: new Set<string>() }));
  return (name, kind) => {
    const prefix = name.slice(0, 2);
    for (const { directory, objects, read } of places) {
      if (!read.has(prefix)) {
        readObjects(directory, prefix, objects);
        read.add(prefix);
      }
      if (objects[kind].has(name)) return directory;
    }
    return undefined;
  };
}

function readObjects(directory: string, prefix: string, objects: ObjectSets): void {
  for (const file of namesIn(`${directory}/${prefix}`)) {
    const [name, extension] = file.split(".");
    const kind = objectKinds.find((known) => known === extension);
    if (kind !== undefined) objects[kind].add(`${prefix}${name}`);
  }
}
