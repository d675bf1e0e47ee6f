import type { HostFileRequest } from "../contract/host-files.ts";
import { KeelsonError } from "../errors.ts";
import { shownPath } from "../layer/path.ts";
import type { FileContent, HostFile, MadeDirectory } from "./deployment.ts";
import type { HostFacts, PathFact } from "./facts.ts";
import { isUsers, type Places } from "./places.ts";

/** Who asks, and what to do about a file that is there already. */
export interface HostFileOwner {
  readonly name: string;
  /** Where the bytes of a file below hostfs are. */
  readonly contentOf: (source: string) => FileContent;
  /** A file that is there is left alone and recorded as foreign instead of being an error. */
  readonly keepExisting: boolean;
}

export interface PlannedHostFiles {
  readonly files: readonly HostFile[];
  /** Directories to make first, parents before children. */
  readonly directories: readonly MadeDirectory[];
}

/**
 * Where each host file of an image goes, parents' symlinks resolved. Nothing that is there is overwritten: throws
 * E_FILE_EXISTS naming every path that is in the way, and whose it is, and E_HOST_FILE for what is not a user's.
 */
export function placeHostFiles(
  requests: readonly HostFileRequest[],
  owner: HostFileOwner,
  facts: HostFacts,
): PlannedHostFiles {
  const directories = new Map<string, MadeDirectory>();
  const files: HostFile[] = [];
  const inTheWay: string[] = [];
  for (const request of requests) {
    // What lies below a directory goes wherever the host's own directory of that name leads.
    const path =
      request.kind === "directory" ? parentOf(facts.resolve(`${request.path}/x`)) : facts.resolve(request.path);
    const fact = facts.at(path);
    if (request.kind !== "directory" || fact.kind === "missing") refuseForeign(path, facts.places);
    if (request.kind === "directory") {
      if (fact.kind === "missing" || facts.madeBefore(path)) directories.set(path, { path, mode: request.mode });
      else if (fact.kind !== "directory") inTheWay.push(shownPath(path));
      continue;
    }
    const holder = facts.ownerOf(path);
    const mine = holder === owner.name;
    if (
      fact.kind !== "missing" &&
      !mine &&
      !(holder === undefined && (owner.keepExisting || facts.leftAlone(path, owner.name)))
    ) {
      inTheWay.push(holder === undefined ? shownPath(path) : `${shownPath(path)} (of container ${holder})`);
    }
    files.push(hostFileOf(request, path, owner, fact.kind !== "missing" && !mine));
  }
  if (inTheWay.length > 0) throw exists(inTheWay);
  return { files, directories: [...directories.values()] };
}

function refuseForeign(path: string, { user }: Places): void {
  if (user === undefined || isUsers(path, user)) return;
  throw new KeelsonError("E_HOST_FILE", `the image would write ${shownPath(path)}, which is not below your home`, {
    hint: "Install it as root, without --user.",
  });
}

function hostFileOf(
  request: Exclude<HostFileRequest, { kind: "directory" }>,
  path: string,
  owner: HostFileOwner,
  foreign: boolean,
): HostFile {
  if (request.kind === "symlink") return { kind: "symlink", path, target: request.target, foreign };
  const { mode, sha256, text, source } = request;
  return {
    kind: "file",
    path,
    mode,
    sha256,
    foreign,
    content: text === undefined ? owner.contentOf(source) : { kind: "text", text },
  };
}

/**
 * The directories above `path` that keelson has to make, or has made for another container, outermost first. Throws
 * E_HOST_FILE when one is not a directory.
 */
export function missingParents(path: string, facts: Pick<HostFacts, "at" | "madeBefore">): readonly MadeDirectory[] {
  const missing: string[] = [];
  for (let parent = parentOf(path); parent !== "/"; parent = parentOf(parent)) {
    const fact: PathFact = facts.at(parent);
    if (fact.kind === "directory" && !facts.madeBefore(parent)) break;
    if (fact.kind !== "missing" && fact.kind !== "directory") {
      throw new KeelsonError(
        "E_HOST_FILE",
        `${shownPath(parent)} is not a directory, so ${shownPath(path)} cannot be put there`,
        {
          hint: "Move what is in the way, or ask the image's publisher for another place.",
        },
      );
    }
    missing.unshift(parent);
  }
  return missing.map((path) => ({ path, mode: 0o755 }));
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

function exists(paths: readonly string[]): KeelsonError {
  const first = paths.slice(0, 8).join(", ");
  const more = paths.length > 8 ? ` and ${paths.length - 8} more` : "";
  return new KeelsonError("E_FILE_EXISTS", `the image would write files that already exist: ${first}${more}`, {
    hint: "Move them away, choose another --name if the paths hold the name, or leave them as they are with --keep-existing.",
  });
}
