/** The properties of a unit that keelson goes by, named as systemd does. */
export interface UnitState {
  /** `loaded`, `not-found`, `masked`, `bad-setting`, `error` */
  readonly loadState: string;
  /** `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading` */
  readonly activeState: string;
  readonly subState: string;
  /** `enabled`, `disabled`, `static`, `masked`, ...; empty when there is no unit file. */
  readonly unitFileState: string;
  readonly fragmentPath: string;
  /** Why it failed: `exit-code`, `signal`, `timeout`, `protocol`, ...; `success` otherwise. */
  readonly result: string;
  /** 0 when there is no main process. */
  readonly mainPid: number;
  /** Of the last main process: its exit status or signal; absent while it runs, or when there was none. */
  readonly exitStatus?: number;
  /** Automatic restarts since the last start by hand. */
  readonly restarts: number;
  /** The unit file has changed since systemd read it. */
  readonly needsReload: boolean;
}

/** Units that are up and lean on another. */
export interface Dependents {
  /** Those that stop when it stops, the ones that lean on them too; what leans on another comes first. */
  readonly requiring: readonly string[];
  /** Those that want it up, but live on without it. */
  readonly wanting: readonly string[];
}

/** From when to when something was changed, in microseconds of the monotonic clock. */
export interface Meanwhile {
  readonly from: number;
  readonly to: number;
}

/** A unit that systemd does not know. */
export const absentUnit: UnitState = {
  loadState: "not-found",
  activeState: "inactive",
  subState: "dead",
  unitFileState: "",
  fragmentPath: "",
  result: "success",
  mainPid: 0,
  restarts: 0,
  needsReload: false,
};
