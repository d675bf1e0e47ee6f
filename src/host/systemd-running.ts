import { KeelsonError } from "../errors.ts";
import type { Places } from "../plan/places.ts";
import { enabledLinks, installedTogether, syncLinks } from "./enabled-links.ts";
import { type JournalScope, lastLines } from "./journal-lines.ts";
import { type Bus, connectBus, errorName, managerPath } from "./systemd-bus.ts";
import { absentUnit, type Dependents, type Meanwhile, type UnitState } from "./unit-state.ts";

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";

/** The Systemd of this host, or of the user whose places these are, over its bus: connected on first use. */
export function openRunningSystemd(
  places: Places,
  tmpfiles: (action: "create" | "remove", path: string) => Promise<void>,
) {
  const scope: JournalScope = places.user === undefined ? "system" : "user";
  let connection: Promise<Bus> | undefined;
  const connect = (): Promise<Bus> => {
    connection ??= connectBus(places.user);
    return connection;
  };
  const call = async (method: string, signature: string, ...body: readonly unknown[]): Promise<void> => {
    await (await connect()).call(managerPath, method, signature, body);
  };
  return {
    running: true,
    scope,
    bus: connect,
    reload: () => call("Reload", ""),
    enable: async (unit: string) => {
      await call("EnableUnitFiles", "asbb", [unit], false, false);
      // As systemctl does: before it reads the links, what they make others want or require is not in effect.
      await call("Reload", "");
      const links = enabledLinks("/", await namesTogether(unit, places), places);
      syncLinks("/", links, places);
      return links;
    },
    disable: async (unit: string) => {
      const before = enabledLinks("/", await namesTogether(unit, places), places);
      // Its file may be gone, when this is said again after a crash.
      await call("DisableUnitFiles", "asb", [unit], false).catch(ignoreUnknown);
      syncLinks("/", before, places);
      return before;
    },
    start: async (unit: string, meanwhile?: Meanwhile) => start(await connect(), scope, unit, meanwhile),
    stop: async (unit: string) => stop(await connect(), scope, unit),
    resetFailed: (unit: string) => call("ResetFailedUnit", "s", unit).catch(ignoreUnknown),
    states: async (units: readonly string[]) => readStates(await connect(), units),
    dependents: async (unit: string) => readDependents(await connect(), unit),
    tmpfiles,
    close: async () => {
      const bus = await connection?.catch(() => undefined);
      bus?.close();
      connection = undefined;
    },
  };
}

async function namesTogether(unit: string, places: Places): Promise<readonly string[]> {
  const files = await installedTogether("/", unit, places);
  return [...new Set([unit, ...files.map((file) => file.unit)])];
}

async function start(bus: Bus, scope: JournalScope, unit: string, meanwhile: Meanwhile | undefined): Promise<void> {
  const begun = Date.now();
  const method = meanwhile !== undefined && (await cameUp(bus, unit, meanwhile)) ? "RestartUnit" : "StartUnit";
  const result = await bus.runJob(method, unit).catch((error: unknown) => {
    if (!(error instanceof KeelsonError)) throw error;
    throw new KeelsonError("E_START", `${unit} did not start: ${error.message}`, {
      hint: startHint(unit),
      cause: error,
    });
  });
  if (result === "done") return;
  const state = await readState(bus, unit);
  const lines = await lastLines(unit, begun, scope);
  throw new KeelsonError("E_START", [`${unit} did not start: ${reasonOf(result, state)}`, ...lines].join("\n"), {
    hint: startHint(unit),
  });
}

/** Whether the unit is up, or on its way, and was begun in that time. */
async function cameUp(bus: Bus, unit: string, { from, to }: Meanwhile): Promise<boolean> {
  const { activeState, loadState } = await readState(bus, unit);
  if (loadState === "not-found" || ["inactive", "failed"].includes(activeState)) return false;
  const [path] = (await bus.call(managerPath, "LoadUnit", "s", [unit])) as [string];
  const body = ["org.freedesktop.systemd1.Unit", "InactiveExitTimestampMonotonic"];
  const [left] = (await bus.call(path, "org.freedesktop.DBus.Properties.Get", "ss", body)) as [
    { readonly value: unknown },
  ];
  return from <= Number(left.value) && Number(left.value) < to;
}

function startHint(unit: string): string {
  return `It is installed: mend the cause, then systemctl start ${unit}; journalctl -u ${unit} shows more.`;
}

async function stop(bus: Bus, scope: JournalScope, unit: string): Promise<void> {
  const before = await readState(bus, unit);
  if (before.activeState === "inactive") return;
  const begun = Date.now();
  const result = await bus.runJob("StopUnit", unit).catch((error: unknown) => {
    if (errorName(error) === noSuchUnit) return "done";
    if (!(error instanceof KeelsonError)) throw error;
    throw new KeelsonError("E_STOP", `${unit} did not stop: ${error.message}`, { hint: stopHint(unit), cause: error });
  });
  if (result === "done") return;
  const state = await readState(bus, unit);
  const lines = await lastLines(unit, begun, scope);
  throw new KeelsonError("E_STOP", [`${unit} did not stop: ${reasonOf(result, state)}`, ...lines].join("\n"), {
    hint: stopHint(unit),
  });
}

function stopHint(unit: string): string {
  return `See systemctl status ${unit}, stop it by hand, then run the command again.`;
}

function reasonOf(job: string, { activeState, subState, result, exitStatus }: UnitState): string {
  const exit = exitStatus === undefined ? "" : `, ${result === "signal" ? "signal" : "exit status"} ${exitStatus}`;
  return `job ${job}, state ${activeState} (${subState}), result ${result}${exit}`;
}

function ignoreUnknown(error: unknown): void {
  if (errorName(error) !== noSuchUnit) throw error;
}

async function readState(bus: Bus, unit: string): Promise<UnitState> {
  return (await readStates(bus, [unit])).get(unit) ?? absentUnit;
}

/** The bus lets a connection wait for 128 replies: this many units, with eight properties each. */
const unitsAtOnce = 12;

/** One call for all units, then the properties of several in one go: nothing waits for an answer before the next is asked. */
async function readStates(bus: Bus, units: readonly string[]): Promise<ReadonlyMap<string, UnitState>> {
  if (units.length === 0) return new Map();
  const [rows] = (await bus.call(managerPath, "ListUnitsByNames", "as", [units])) as [readonly (readonly string[])[]];
  const states = new Map<string, UnitState>(units.map((unit) => [unit, absentUnit]));
  for (let at = 0; at < rows.length; at += unitsAtOnce) {
    const read = rows.slice(at, at + unitsAtOnce).map(async (row) => {
      const [unit = "", , loadState = "", activeState = "", subState = "", , path = ""] = row;
      states.set(unit, { loadState, activeState, subState, ...(await readProperties(bus, unit, path)) });
    });
    await Promise.all(read);
  }
  return states;
}

const requiredBy = ["RequiredBy", "BoundBy", "ConsistsOf"] as const;

async function readDependents(bus: Bus, unit: string): Promise<Dependents> {
  const requiring: string[] = [];
  const visit = async (name: string): Promise<void> => {
    for (const dependent of await activeServices(bus, name, requiredBy)) {
      if (requiring.includes(dependent) || dependent === unit) continue;
      await visit(dependent);
      requiring.push(dependent);
    }
  };
  await visit(unit);
  const wanting = await activeServices(bus, unit, ["WantedBy", "UpheldBy"]);
  return { requiring, wanting: wanting.filter((name) => !requiring.includes(name)) };
}

/** The services that stand in these properties of a unit and are up. */
async function activeServices(bus: Bus, unit: string, properties: readonly string[]): Promise<readonly string[]> {
  const [path] = (await bus.call(managerPath, "LoadUnit", "s", [unit])) as [string];
  const lists = properties.map(async (name) => {
    const body = ["org.freedesktop.systemd1.Unit", name];
    // Older versions of systemd do not know all of them.
    const [variant] = (await bus
      .call(path, "org.freedesktop.DBus.Properties.Get", "ss", body)
      .catch(() => [{ value: [] }])) as [{ readonly value: readonly string[] }];
    return variant.value;
  });
  const names = [...new Set((await Promise.all(lists)).flat())].filter((name) => name.endsWith(".service"));
  const states = await readStates(bus, names);
  return names.filter((name) => states.get(name)?.activeState === "active").sort();
}

type Properties = Omit<UnitState, "loadState" | "activeState" | "subState">;

async function readProperties(bus: Bus, unit: string, path: string): Promise<Properties> {
  const read = async (kind: "Unit" | "Service", name: string): Promise<unknown> => {
    const body = [`org.freedesktop.systemd1.${kind}`, name];
    const [variant] = (await bus.call(path, "org.freedesktop.DBus.Properties.Get", "ss", body)) as [
      { readonly value: unknown },
    ];
    return variant.value;
  };
  const general = ["UnitFileState", "FragmentPath", "NeedDaemonReload"].map((name) => read("Unit", name));
  const own = unit.endsWith(".service")
    ? ["Result", "MainPID", "NRestarts", "ExecMainCode", "ExecMainStatus"].map((name) => read("Service", name))
    : [];
  const [[unitFileState, fragmentPath, needsReload], [result, mainPid, restarts, exitCode, exitStatus]] =
    await Promise.all([Promise.all(general), Promise.all(own)]);
  return {
    unitFileState: String(unitFileState),
    fragmentPath: String(fragmentPath),
    needsReload: needsReload === true,
    result: String(result ?? "success"),
    mainPid: Number(mainPid ?? 0),
    restarts: Number(restarts ?? 0),
    // The code is 0 as long as no main process has ended.
    ...(Number(exitCode ?? 0) === 0 ? {} : { exitStatus: Number(exitStatus) }),
  };
}
