import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ObjectName } from "../layer/change.ts";
import { namesIn } from "./directory.ts";
import { type ObjectKind, objectPath } from "./object.ts";

/** Where new objects of a repository are written before they are published, and what is there already. */
export interface Staging {
  /** Whether the object is there, published or staged. */
  has(name: ObjectName, kind: ObjectKind): boolean;
  /** A path in the staging directory for an object that `has` does not know; the caller writes the file there. */
  stagePath(name: ObjectName, kind: ObjectKind): string;
  /** A path in the staging directory for content whose name is not known yet. */
  scratchPath(): string;
}

/** The same as the repository itself uses it. Objects are paths below `objects/`. */
export interface OwnStaging extends Staging {
  readonly staged: ReadonlySet<string>;
  /** Where an object is; undefined when it is nowhere. */
  find(object: string): string | undefined;
  /** Counts a content object that is not published as staged: another thread has written it. */
  adopt(name: ObjectName): void;
  /** Forgets what is staged, and looks anew for what is published. */
  clear(): void;
}

export interface StagingPlaces {
  readonly staging: string;
  /** Directories of published objects, the first that has one counts. */
  readonly published: readonly string[];
  /** Objects that count as not there until they are published anew. */
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
  const staged = new Set<string>();
  const directories = openDirectories(staging);
  const findPublished = publishedObjects(published);
  let known = findPublished();
  let scratches = 0;

  function find(object: string): string | undefined {
    if (staged.has(object)) return `${staging}/${object}`;
    return damaged.has(object) ? undefined : known(object);
  }

  return {
    staged,
    find,
    has: (name, kind) => find(objectPath(name, kind)) !== undefined,
    stagePath(name, kind) {
      const object = objectPath(name, kind);
      directories.make(object.slice(0, 2));
      staged.add(object);
      return `${staging}/${object}`;
    },
    scratchPath() {
      directories.make("");
      return `${staging}/${scratch}-${scratches++}`;
    },
    adopt(name) {
      const object = objectPath(name, "file");
      if (find(object) === undefined) staged.add(object);
    },
    clear() {
      staged.clear();
      directories.clear();
      known = findPublished();
    },
  };
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

/** Looks for objects; the names of a directory are read once, when the first of them is asked for. */
function publishedObjects(directories: readonly string[]): () => (object: string) => string | undefined {
  return () => {
    const places = directories.map((directory) => ({ directory, names: new Map<string, ReadonlySet<string>>() }));
    return (object) => {
      const prefix = object.slice(0, 2);
      const name = object.slice(3);
      for (const { directory, names } of places) {
        const there = names.get(prefix) ?? new Set(namesIn(`${directory}/${prefix}`));
        names.set(prefix, there);
        if (there.has(name)) return `${directory}/${object}`;
      }
      return undefined;
    };
  };
}
