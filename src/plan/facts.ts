import type { Deployment } from "./deployment.ts";
import type { Places } from "./places.ts";

/** What stands at one path of the host. */
export type PathFact =
  | { readonly kind: "missing" }
  | { readonly kind: "file"; readonly mode: number; readonly sha256: string }
  | { readonly kind: "symlink"; readonly target: string }
  /** `awaited`: systemd-tmpfiles makes it, when all files are in their places. */
  | { readonly kind: "directory"; readonly mode: number; readonly awaited?: true }
  | { readonly kind: "other" };

/** What planning needs to know of the host. Paths are the host's own, whatever root it is looked at below. */
export interface HostFacts {
  /** `/var/lib/keelson` and `/var/lib/keelson/deployments`. */
  readonly state: string;
  readonly deployments: string;
  /** Where units and all else are put. */
  readonly places: Places;
  /** The keelson executable. */
  readonly keelson: string;
  /** Names such as CAP_CHOWN that the kernel knows, by number. */
  readonly capabilities: readonly string[];
  readonly selinux: boolean;
  readonly apparmor: boolean;
  /** What is at a path, the last component not followed. */
  readonly at: (path: string) => PathFact;
  /** The text of a regular file, undefined when there is none. */
  readonly textAt: (path: string) => string | undefined;
  /** The current deployments of all containers whose records can be read, by name. */
  readonly installed: readonly Deployment[];
  /** The text of a unit file, wherever it is; undefined when there is none. */
  readonly unitText: (unit: string) => string | undefined;
  /** The text of all that is added to a unit in directories, but for what keelson adds; empty when that is nothing. */
  readonly additionsTo: (unit: string) => string;
  /** Whether no container but `name` is installed. */
  readonly alone: (name: string) => boolean;
  /** `path` with the symlinks of its parents resolved, as they are on the host now. */
  readonly resolve: (path: string) => string;
  /** Whether a container other than `name` declares state at the path or below it. */
  readonly declaredElsewhere: (path: string, name: string) => boolean;
  /** Whether some container's record says that keelson made this directory. Whoever uses it last removes it. */
  readonly madeBefore: (path: string) => boolean;
  /** Whether the record of `name` says that the file at the path was there before and is left alone. */
  readonly leftAlone: (path: string, name: string) => boolean;
  /** The container whose record has the path as a file of its own. */
  readonly ownerOf: (path: string) => string | undefined;
}
