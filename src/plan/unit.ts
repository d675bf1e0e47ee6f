import { renderUnit, type Template } from "../contract/template.ts";
import type { Values } from "../contract/values.ts";
import { allValues, type Directive, lastValue, parseUnit } from "./unit-file.ts";

/**
 * How a unit runs the container. `forking` and `notify`: the runtime starts it and ends, the container's first process is
 * the unit's main process, and nothing stays resident beside it; with `notify` the start waits for the container's
 * READY=1. `attached`: the runtime stays. `none`: the unit does not run the container at all.
 */
export type Launch = "forking" | "notify" | "attached" | "none";

/** What EXEC_START and its companions stand for. */
export interface ExecLines {
  readonly execStart: string;
  readonly execStop: string;
  readonly execStartPre: string;
  readonly execStopPost: string;
}

export interface ExecPlaces {
  readonly name: string;
  readonly runtime: string;
  /** The bundle: `deployments/NAME/current`. */
  readonly destdir: string;
  readonly pidFile: string;
  readonly stopSignal: string;
}

const execPrefix = /^[-@:+!|]*/;
const mention = /^[-@:+!|]*(?:\$EXEC_START|\$\{EXEC_START\}|\{\{\s*EXEC_START\s*\}\})$/;
/** Types for which systemd goes by the main process of its own choosing; a runtime that ended would be the end of them. */
const attachedTypes = new Set(["oneshot", "dbus", "idle"]);

/** How the unit that `template` describes can run its container, told before anything is rendered. */
export function launchOf(template: Template): Launch {
  const lines = template.text.split("\n").map((line) => line.trim());
  const starts = lines
    .filter((line) => /^ExecStart\s*=/.test(line))
    .map((line) => line.replace(/^ExecStart\s*=\s*/, ""));
  if (!starts.some((start) => start.includes("EXEC_START"))) return "none";
  const type = lines.findLast((line) => /^Type\s*=/.test(line))?.replace(/^Type\s*=\s*/, "") ?? "simple";
  const alone = starts.filter((start) => start !== "").every((start) => mention.test(start));
  if (!alone || attachedTypes.has(type)) return "attached";
  return type.startsWith("notify") ? "notify" : "forking";
}

/**
 * The command lines that run a container. systemd's own KillSignal= stops one whose first process is the main process, so
 * EXEC_STOP is then empty. With `notify` the container is created and then started: its parent is then systemd, and
 * `start` notices at once when it ends before it is ready, which `run` does not.
 */
export function planExecLines(launch: Launch, places: ExecPlaces): ExecLines {
  const { name, runtime, destdir, pidFile, stopSignal } = places;
  const remove = `${runtime} delete -f ${name}`;
  const kept = `--pid-file ${pidFile} --bundle ${destdir} ${name}`;
  switch (launch) {
    case "notify": {
      const start = `/bin/sh -c '${runtime} create ${kept} && exec ${runtime} start ${name}'`;
      return { execStart: start, execStop: "", execStartPre: remove, execStopPost: remove };
    }
    case "forking":
      return { execStart: `${runtime} run -d ${kept}`, execStop: "", execStartPre: remove, execStopPost: remove };
    case "attached":
    case "none": {
      const start = `${runtime} run --bundle ${destdir} ${name}`;
      return {
        execStart: start,
        execStop: `${runtime} kill ${name} ${stopSignal}`,
        execStartPre: remove,
        execStopPost: remove,
      };
    }
  }
}

export interface PlannedUnit {
  readonly text: string;
  readonly directives: readonly Directive[];
}

/**
 * Renders a unit and adds what its text lacks for the container to live and die in the unit's own cgroup. The image's
 * lines stay as they are; keelson's follow under a comment. Throws E_UNIT, E_VALUE, E_VALUE_MISSING, E_TEMPLATE.
 */
export function planUnit(
  template: Template,
  values: Values,
  launch: Launch,
  exec: ExecLines,
  places: ExecPlaces,
  store: string,
): PlannedUnit {
  const rendered = renderUnit(template, values);
  const own = parseUnit(rendered, template.name);
  const added = [
    ["[Unit]", ...missing(own, "Unit", [["RequiresMountsFor", store]])],
    ["[Service]", ...(launch === "none" ? [] : serviceLines(own, launch, exec, places))],
  ].filter((lines) => lines.length > 1);
  if (added.length === 0) return { text: rendered, directives: own };
  const text = [rendered.trimEnd(), "", "# Added by keelson.", ...added.flat(), ""].join("\n");
  return { text, directives: parseUnit(text, template.name) };
}

function serviceLines(
  own: readonly Directive[],
  launch: Launch,
  exec: ExecLines,
  places: ExecPlaces,
): readonly string[] {
  const lines: string[] = [];
  if (launch === "forking" && (lastValue(own, "Service", "Type") ?? "simple") !== "forking") lines.push("Type=forking");
  if (launch === "forking") lines.push(...missing(own, "Service", [["PIDFile", places.pidFile]]));
  if (launch === "notify") lines.push(...missing(own, "Service", [["NotifyAccess", "all"]]));
  lines.push(
    ...missing(own, "Service", [
      ["Delegate", "yes"],
      ["KillMode", "mixed"],
    ]),
  );
  if (places.stopSignal !== "SIGTERM") lines.push(...missing(own, "Service", [["KillSignal", places.stopSignal]]));
  if (!allValues(own, "Service", "SuccessExitStatus").some((value) => /\b143\b/.test(value)))
    lines.push("SuccessExitStatus=143");
  if (!hasCommand(own, "ExecStartPre", exec.execStartPre)) lines.push(`ExecStartPre=-${exec.execStartPre}`);
  if (!hasCommand(own, "ExecStopPost", exec.execStopPost)) lines.push(`ExecStopPost=-${exec.execStopPost}`);
  return lines;
}

function missing(
  own: readonly Directive[],
  section: string,
  wanted: readonly (readonly [string, string])[],
): readonly string[] {
  return wanted.filter(([key]) => lastValue(own, section, key) === undefined).map(([key, value]) => `${key}=${value}`);
}

function hasCommand(own: readonly Directive[], key: string, command: string): boolean {
  return allValues(own, "Service", key).some((value) => value.replace(execPrefix, "") === command);
}
