import type { HealthCheck } from "../image/health.ts";
import type { DeployedLink, FileContent, MadeDirectory } from "./deployment.ts";

/** One change of the host. The plan is the list of them; the transaction journals, applies and inverts it. */
export type HostChange =
  /** A regular file comes, goes, or is replaced as a whole. */
  | { readonly kind: "file"; readonly path: string; readonly from?: FileState; readonly to?: FileState }
  | { readonly kind: "symlink"; readonly path: string; readonly from?: string; readonly to?: string }
  /** A directory is made (`to` its mode) or removed if it is empty (`from` its mode). */
  | { readonly kind: "directory"; readonly path: string; readonly from?: number; readonly to?: number }
  /** A directory and everything below it is removed; this cannot be taken back. */
  | { readonly kind: "purge"; readonly path: string }
  /** `deployments/NAME/current` is switched. */
  | { readonly kind: "current"; readonly name: string; readonly from?: number; readonly to?: number }
  | { readonly kind: "reload" }
  | { readonly kind: "enable" | "disable"; readonly unit: string; readonly links: readonly DeployedLink[] }
  | { readonly kind: "start" | "stop"; readonly unit: string }
  /** systemd forgets that the unit had failed: it would stay on its list otherwise, though its file is gone. */
  | { readonly kind: "reset-failed"; readonly unit: string }
  /** The unit has to stay up for `soak` milliseconds, the image's health check passing. */
  | {
      readonly kind: "watch";
      readonly unit: string;
      /** Services that were up and depend on it: they have to stay up too. */
      readonly others: readonly string[];
      readonly name: string;
      readonly runtime: string;
      readonly soak: number;
      readonly health?: HealthCheck;
    }
  /** systemd-tmpfiles on the file `path`; `made` are the directories it makes that were not there, parents first. */
  | {
      readonly kind: "tmpfiles-create" | "tmpfiles-remove";
      readonly path: string;
      readonly made: readonly MadeDirectory[];
    };

export interface FileState {
  readonly mode: number;
  readonly sha256: string;
  readonly content: FileContent;
}

/** What takes a change back. */
export function invertChange(change: HostChange): HostChange {
  switch (change.kind) {
    case "file": {
      const { kind, path, from, to } = change;
      return { kind, path, ...(to ? { from: to } : {}), ...(from ? { to: from } : {}) };
    }
    case "symlink": {
      const { kind, path, from, to } = change;
      return { kind, path, ...(to === undefined ? {} : { from: to }), ...(from === undefined ? {} : { to: from }) };
    }
    case "directory": {
      const { kind, path, from, to } = change;
      return { kind, path, ...(to === undefined ? {} : { from: to }), ...(from === undefined ? {} : { to: from }) };
    }
    case "current": {
      const { kind, name, from, to } = change;
      return { kind, name, ...(to === undefined ? {} : { from: to }), ...(from === undefined ? {} : { to: from }) };
    }
    case "reload":
    case "purge":
    case "watch":
    case "reset-failed":
      return change;
    case "enable":
    case "disable":
      return { ...change, kind: change.kind === "enable" ? "disable" : "enable" };
    case "start":
    case "stop":
      return { ...change, kind: change.kind === "start" ? "stop" : "start" };
    case "tmpfiles-create":
    case "tmpfiles-remove":
      return { ...change, kind: change.kind === "tmpfiles-create" ? "tmpfiles-remove" : "tmpfiles-create" };
  }
}

/** One line for people. */
export function formatChange(change: HostChange): string {
  switch (change.kind) {
    case "file":
      return `${verb(change.from, change.to)} ${change.path}`;
    case "symlink":
      return `${verb(change.from, change.to)} ${change.path} -> ${change.to ?? change.from}`;
    case "directory":
      return change.to === undefined ? `remove ${change.path}/ if it is empty` : `create ${change.path}/`;
    case "current":
      if (change.to === undefined) return `remove current deployment ${change.name}/${change.from}`;
      return `switch ${change.name} to deployment ${change.to}`;
    case "purge":
      return `remove ${change.path}/ and everything in it`;
    case "reload":
      return "systemctl daemon-reload";
    case "watch":
      return `watch ${change.unit} for ${change.soak / 1000} s`;
    case "tmpfiles-create":
      return `systemd-tmpfiles --create ${change.path}`;
    case "tmpfiles-remove":
      return `systemd-tmpfiles --remove ${change.path}`;
    default:
      return `systemctl ${change.kind} ${change.unit}`;
  }
}

function verb(from: unknown, to: unknown): string {
  if (from === undefined) return "create";
  return to === undefined ? "remove" : "replace";
}
