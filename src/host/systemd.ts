import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { KeelsonError } from "../errors.ts";
import type { DeployedLink } from "../plan/deployment.ts";
import type { Places } from "../plan/places.ts";
import type { JournalScope } from "./journal-lines.ts";
import { programPath, runProgram } from "./program.ts";
import type { Bus } from "./systemd-bus.ts";
import { openEarlySystemd } from "./systemd-early.ts";
import { openOfflineSystemd } from "./systemd-offline.ts";
import { openRunningSystemd } from "./systemd-running.ts";
import type { Dependents, Meanwhile, UnitState } from "./unit-state.ts";

/** The service manager of a root. Units are named in full: `etcd.service`. */
export interface Systemd {
  /** true: a manager runs and is spoken to over D-Bus; false: links only, nothing is started. */
  readonly running: boolean;
  /** Whose units these are. */
  readonly scope: JournalScope;
  /**
   * The connection to the manager, made on first use; absent where none runs, or it is not on the bus yet. Throws E_SYSTEMD.
   */
  readonly bus?: () => Promise<Bus>;
  /** Makes systemd read unit files again; enable and disable do not do it by themselves. */
  reload(): Promise<void>;
  /** Enables by [Install], with what Also= names; gives the links made or found. Throws E_SYSTEMD, E_FILE_EXISTS, E_UNIT. */
  enable(unit: string): Promise<readonly DeployedLink[]>;
  /** Removes all links that enable the unit, those of an administrator too; gives the links removed. */
  disable(unit: string): Promise<readonly DeployedLink[]>;
  /**
   * Starts and waits for the job. E_START when it does not end well, with the unit's state and the last journal lines of this
   * start, or systemd's words when it does not take the job. One that came up `meanwhile` is started anew: where another unit
   * keeps it up, systemd starts it again the moment it stops.
   */
  start(unit: string, meanwhile?: Meanwhile): Promise<void>;
  /** Stops and waits for the job, E_STOP likewise; a unit that is not there or inactive is left alone. */
  stop(unit: string): Promise<void>;
  /** Forgets a failure; of a unit that systemd does not know there is nothing to forget. */
  resetFailed(unit: string): Promise<void>;
  /** The states of all `units`, over one connection; for an unknown one `not-found` and `inactive`. */
  states(units: readonly string[]): Promise<ReadonlyMap<string, UnitState>>;
  /** The services that are up and depend on `unit`. */
  dependents(unit: string): Promise<Dependents>;
  /** systemd-tmpfiles with the one file, `path` as the host names it. Nothing below another root: it is done at boot there. */
  tmpfiles(action: "create" | "remove", path: string): Promise<void>;
  /** Gives up the connection, if there is one. */
  close(): Promise<void>;
}

/**
 * The systemd of `root`: the running one if that is `/` and one runs, else one that only makes links; or the one of the user
 * whose places these are, which has to run. Connects on first use.
 */
export function openSystemd(root: string, places: Places): Systemd {
  if (places.user !== undefined) return openRunningSystemd(places, tmpfilesWith("--user"));
  if (realpathSync(root) !== "/") return openOfflineSystemd(root, async () => {});
  if (!existsSync("/run/systemd/system")) return openOfflineSystemd("/", tmpfilesWith());
  return bootingWithoutBus() ? openEarlySystemd(tmpfilesWith()) : openRunningSystemd(places, tmpfilesWith());
}

/** Whether the boot has not yet come to the system bus. A host without one at all is another matter: it has services up. */
function bootingWithoutBus(): boolean {
  const systemctl = programPath("systemctl");
  if (existsSync(busSocket) || process.env.DBUS_SYSTEM_BUS_ADDRESS !== undefined || systemctl === undefined)
    return false;
  const { stdout } = spawnSync(systemctl, ["is-system-running"], { encoding: "utf8", timeout: systemctlTimeout });
  return ["initializing", "starting"].includes(stdout.trim());
}

const busSocket = "/run/dbus/system_bus_socket";
const systemctlTimeout = 30_000;
const tmpfilesTimeout = 60_000;

/** A host without systemd-tmpfiles has no use for what it does. */
function tmpfilesWith(...options: readonly string[]): Systemd["tmpfiles"] {
  return async (action, path) => {
    const program = programPath("systemd-tmpfiles");
    if (program === undefined) return;
    const { status, stderr } = await runProgram(program, [...options, `--${action}`, path], tmpfilesTimeout);
    if (status === 0) return;
    throw new KeelsonError(
      "E_SYSTEMD",
      `systemd-tmpfiles --${action} ${path} ended with status ${status}: ${stderr.trim()}`,
      {
        hint: "Mend what it complains of; the lines come from the image's tmpfiles template.",
      },
    );
  };
}
