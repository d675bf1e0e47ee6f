/** What systemd, and the journal, know of a unit. The first names are those of systemd's properties. */
export interface UnitFacts {
  readonly unit: string;
  readonly loadState: string;
  readonly activeState: string;
  readonly subState: string;
  readonly unitFileState: string;
  readonly result: string;
  /** Why systemd cannot use it, in its own words; empty otherwise. */
  readonly loadError: string;
  readonly needsReload: boolean;
  /** It has been started, or tried to be, since the host booted. */
  readonly tried: boolean;
  /** Automatic restarts since the last start by hand. */
  readonly restarts: number;
  /** Bytes that its cgroup may have; absent without a limit. */
  readonly memoryMax?: number;
  /** What is to become of it. */
  readonly job?: UnitJob;
  /** Conditions and assertions that did not hold at its last start: `ConditionPathExists=/etc/x`. */
  readonly unmet: readonly string[];
  /** The units that it cannot be up without. */
  readonly requires: readonly string[];
  /** Units that each start asks for first: of each list one has to be up. */
  readonly awaited: readonly (readonly string[])[];
  /** The process that made it fail. */
  readonly ended?: ProcessEnd;
  /** What the programs of its last start said last. */
  readonly output: readonly string[];
  /** A process of its last start was killed for want of memory. */
  readonly outOfMemory: boolean;
  /** systemd refused to start it again so soon. */
  readonly limited: boolean;
}

export interface UnitJob {
  readonly type: string;
  /** It is being done; else it waits. */
  readonly running: boolean;
  /** The units whose jobs have to be done first. */
  readonly behind: readonly string[];
}

export interface ProcessEnd {
  readonly kind: "exited" | "killed";
  /** Exit status, or number of the signal. */
  readonly status: number;
  readonly program: string;
}

/** What is known of a container beyond its unit. */
export interface ContainerFacts {
  readonly name: string;
  readonly runtime: { readonly path: string; readonly there: boolean };
  /** Bind mounts whose source is not there. */
  readonly unbound: readonly Unbound[];
  /** What its health check said, where it runs and failed. */
  readonly unhealthy?: string;
}

export interface Unbound {
  readonly source: string;
  readonly destination: string;
  /** The tmpfiles lines of the container that make it: the file they are in. */
  readonly tmpfiles?: string;
  /** The image has a file where it is to be mounted, not a directory. */
  readonly file: boolean;
}

/** The units whose facts tell more about why this one is not up. */
export function unitsBehind(facts: UnitFacts): readonly string[] {
  if (isUp(facts)) return [];
  return [...new Set([...(facts.job?.behind ?? []), ...facts.awaited.flat(), ...facts.requires])];
}

export function isUp({ activeState }: Pick<UnitFacts, "activeState">): boolean {
  return activeState === "active" || activeState === "reloading";
}
