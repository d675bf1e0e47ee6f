/** Every reason there is why a container is not up, by its code. A code is forever; README has the same table. */
export const causeCodes = {
  NOT_INSTALLED: "no container of that name is installed",
  VALUE_MISSING: "nor can it be as it is: its image, in the store, wants values that have no default",
  BROKEN: "the record of its deployment cannot be read",
  INTERRUPTED: "a change of it was interrupted",
  NO_SYSTEMD: "no systemd runs on this root",
  MASKED: "its unit is masked",
  UNIT_MISSING: "its unit is not there",
  UNIT_INVALID: "systemd cannot use its unit",
  RELOAD: "its unit has changed since systemd read it",
  DISABLED: "it is not running, and nothing starts it at boot",
  STOPPED: "it is not running: it has not been started, was stopped, or has ended well",
  CONDITION: "a condition of its unit did not hold",
  WAITING: "its start waits for another unit, named in on",
  DEPENDENCY: "it needs another unit, named in on, which is in trouble",
  STARTING: "it is starting, and not ready yet",
  STOPPING: "it is being stopped",
  RUNTIME_MISSING: "the OCI runtime that its unit calls is not there",
  BIND_SOURCE: "a path of the host that is mounted into it is not there",
  RUNTIME: "the OCI runtime could not start it",
  EXITED: "its program has ended with a failure",
  SIGNAL: "its program was killed",
  OOM: "it was killed for using more memory than there is for it",
  TIMEOUT: "it took too long to start, to stop, or to say that it is alive",
  PROTOCOL: "its program was gone before it was ready",
  RESOURCES: "systemd lacked something to start it with",
  START_LIMIT: "it failed too often in too short a time, and systemd no longer tries",
  UNHEALTHY: "it runs, but its health check fails",
  FAILED: "it failed in another way that systemd names",
} as const satisfies Record<string, string>;

export type CauseCode = keyof typeof causeCodes;

/** One reason why a unit is not up. */
export interface Cause {
  readonly code: CauseCode;
  /** The unit that it holds for, which may be one that the container waits for; its name where there is no unit. */
  readonly of: string;
  /** The units that it has to do with. */
  readonly on: readonly string[];
  /** One line for people, without the code. */
  readonly text: string;
  /** The command to type next. */
  readonly next: string;
}
