import type { Deployment } from "./deployment.ts";
import { recoveryUnit } from "./recovery.ts";
import { allValues, type Directive, lastValue, parseUnit } from "./unit-file.ts";

/** What of a container's unit holds whatever runs the container. */
export interface ExportedUnit {
  /** `Key=value`, in the order of the unit. */
  readonly unit: readonly string[];
  readonly service: readonly string[];
  readonly install: readonly string[];
  /** The container says by itself when it is ready. */
  readonly notify: boolean;
  readonly stopSignal: string | undefined;
  /** The value of Restart=. */
  readonly restart: string;
  readonly lost: readonly string[];
}

/** How keelson runs and stops a container; what takes its place has ways of its own. */
const ownKeys = new Set(
  "ExecStart ExecStop PIDFile Type NotifyAccess Delegate KillMode KillSignal SyslogIdentifier WorkingDirectory".split(
    " ",
  ),
);

/**
 * Reads the unit of a container for a translation. `addition` is what keelson adds to it for what images say of each other,
 * `state` the directory of keelson's state.
 */
export function readExportedUnit(deployment: Deployment, addition: string | undefined, state: string): ExportedUnit {
  const { service, runtime, values } = deployment;
  const own = parseUnit(service?.text ?? "", service?.unit ?? "");
  const added = addition === undefined ? [] : parseUnit(addition, "10-keelson.conf");
  const starts = allValues(own, "Service", "ExecStart").filter((value) => bare(value) !== values.EXEC_START);
  const kept = [...own, ...added].filter((line) => !isOwn(line, runtime, state));
  const odd = kept.filter(({ value }) => value.includes(`${state}/`));
  const linesOf = (section: string): readonly string[] =>
    kept.filter((line) => line.section === section && !odd.includes(line)).map(({ key, value }) => `${key}=${value}`);
  return {
    unit: linesOf("Unit"),
    service: linesOf("Service"),
    install: service?.enabled === false ? [] : linesOf("Install"),
    notify: lastValue(own, "Service", "Type")?.startsWith("notify") === true,
    stopSignal: lastValue(own, "Service", "KillSignal"),
    restart: lastValue([...own, ...added], "Service", "Restart") ?? "no",
    lost: [
      ...starts.map((value) => `the unit: ExecStart=${value}, which is more than the start of the container`),
      ...odd
        .filter(({ value }) => service?.probe === undefined || !value.includes("ready.sh"))
        .map(({ key, value }) => `the unit: ${key}=${value}`),
      ...(service?.probe === undefined
        ? []
        : ["how the image tells that it is ready: it counts as up when it has started"]),
      ...(service?.triggers ?? []).map(({ unit }) => `${unit}, which starts it`),
      ...(deployment.tmpfiles === undefined
        ? []
        : [
            `its lines for systemd-tmpfiles, which go with keelson uninstall: keep a copy of ${deployment.tmpfiles.path}`,
          ]),
      ...deployment.hostFiles
        .filter(({ foreign }) => !foreign)
        .map(
          ({ path }) => `the file that it puts on the host, which goes with keelson uninstall: keep a copy of ${path}`,
        ),
    ],
  };
}

function isOwn({ section, key, value }: Directive, runtime: string, state: string): boolean {
  if (section === "Unit")
    return (key === "After" && value === recoveryUnit) || (key === "RequiresMountsFor" && value === state);
  if (section !== "Service") return false;
  if (key === "SuccessExitStatus" && value === "143") return true;
  return ownKeys.has(key) || (key.startsWith("Exec") && bare(value).startsWith(`${runtime} `));
}

function bare(value: string): string {
  return value.replace(/^[-@:+!|]*/, "");
}
