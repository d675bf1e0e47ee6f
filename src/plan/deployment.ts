import type { Phase } from "../contract/phase.ts";
import type { Relations } from "../contract/relations.ts";
import type { Digest } from "../image/digest.ts";
import type { HealthCheck } from "../image/health.ts";
import type { Json } from "../image/json.ts";
import type { Verified } from "../image/verified.ts";
import type { ObjectName } from "../layer/change.ts";

/**
 * Everything an installed container is: what stands in its `deployment.json`. Complete, so that going back to it
 * renders nothing.
 */
export interface Deployment {
  readonly schema: 1;
  readonly name: string;
  /** Numbered upwards from 1, never used again. */
  readonly generation: number;
  /** RFC 3339. */
  readonly created: string;
  readonly image: DeployedImage;
  readonly runtime: string;
  /** What the person gave with --set. */
  readonly set: Readonly<Record<string, string>>;
  /** What the person gave with --phase. */
  readonly phase?: Phase;
  /** What the person gave with --listen. */
  readonly listen?: readonly string[];
  /** Every variable the templates were rendered with. */
  readonly values: Readonly<Record<string, Json>>;
  /** Absent for an image that only brings host files (noContainerService). */
  readonly service?: DeployedService;
  /** The text of config.json. */
  readonly config: string;
  readonly tmpfiles?: DeployedTmpfiles;
  readonly hostFiles: readonly HostFile[];
  /** Directories that are made for the files, parents first. */
  readonly madeDirectories: readonly MadeDirectory[];
  /** What of the image acts on the host outside the container. */
  readonly hostActions: readonly HostAction[];
  readonly warnings: readonly string[];
  /** What the administrator's files changed in config.json; absent when there are none. */
  readonly overrides?: DeployedOverrides;
  /** A directory given with --rootfs that stands in for the image's own tree. */
  readonly rootfs?: string;
  /** Absent for a container that no stack brought. */
  readonly stack?: DeployedStack;
}

/** What a stack file says of a container, over what its image says: later updates keep to it. */
export interface DeployedStack {
  /** The file, as the host names it. */
  readonly path: string;
  /** Start the service at boot. */
  readonly enable: boolean;
  /** Sections of keys, as in an override file. */
  readonly overrides: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  readonly relations?: Relations;
}

export interface DeployedImage {
  readonly reference: string;
  readonly digest: Digest;
  readonly id: Digest;
  /** The OSTree commit. */
  readonly commit: string;
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** What the policy had to say of it when the deployment was made; absent in records from before that was asked. */
  readonly verified?: Verified;
}

export interface DeployedService {
  /** `NAME.service` */
  readonly unit: string;
  readonly path: string;
  readonly text: string;
  readonly enabled: boolean;
  readonly health?: HealthCheck;
  /** The script that ends when the container is ready. */
  readonly probe?: string;
  /** What the image says of its place among the services of the host. */
  readonly relations?: Relations;
  /** When at boot it starts; absent: with all other services. */
  readonly phase?: Phase;
  /** What `systemctl enable` makes. */
  readonly links: readonly DeployedLink[];
  /** Units that start the service; they are enabled, started and stopped with it. */
  readonly triggers?: readonly DeployedTrigger[];
}

export interface DeployedTrigger {
  readonly kind: "socket" | "timer";
  /** `NAME.socket` */
  readonly unit: string;
  readonly path: string;
  readonly text: string;
  readonly links: readonly DeployedLink[];
}

export interface DeployedOverrides {
  /** `/etc/keelson/NAME.d/10-mine.conf: environment PORT=1`, in the order they were applied. */
  readonly lines: readonly string[];
  /** config.json as it would be without them. */
  readonly imageConfig: string;
}

export interface DeployedLink {
  readonly path: string;
  readonly target: string;
}

export interface DeployedTmpfiles {
  readonly path: string;
  readonly text: string;
  /** Directories its lines name that were not there before, parents first. */
  readonly made: readonly MadeDirectory[];
  /** Every directory its lines name: the container's state, which only --purge removes. */
  readonly declared: readonly string[];
}

/** Paths of the host are held one character a byte, here and in every change. */
export interface MadeDirectory {
  readonly path: string;
  readonly mode: number;
}

/** A file of the image on the host. `foreign`: it was there already and is not keelson's to change or remove. */
export type HostFile =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode: number;
      readonly sha256: string;
      readonly foreign: boolean;
      readonly content: FileContent;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string; readonly foreign: boolean };

/** Where a file's bytes are: here, in a content object of the store, or in a directory that was given with --rootfs. */
export type FileContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "object"; readonly object: ObjectName }
  | { readonly kind: "path"; readonly path: string };

export interface HostAction {
  readonly kind: "command" | "tmpfiles" | "file" | "unit-relation";
  /** One line for people: `ExecStartPre=/bin/sh -c ...`, a tmpfiles line, a path. */
  readonly text: string;
}
