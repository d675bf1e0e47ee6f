import { renderUnit, type Template } from "../contract/template.ts";
import type { Values } from "../contract/values.ts";
import type { HostFacts } from "./facts.ts";
import { instanceOf, runtimeId } from "./name.ts";
import type { Places } from "./places.ts";
import { recoveryUnit } from "./recovery.ts";
import { allValues, type Directive, lastValue, parseUnit } from "./unit-file.ts";
import { forManager } from "./unit-user.ts";

/**
 * How a unit runs the container. `forking` and `notify`: the runtime starts it and ends, the container's first process is
 * the unit's main process, and nothing stays resident beside it; with `notify` the start waits for the container's
 * READY=1. `attached`: the runtime stays. `embedded`: the same, as part of a command of the image's own. `none`: the unit
 * does not run the container at all.
 */
export type Launch = "forking" | "notify" | "attached" | "embedded" | "none";

/** The cgroup of a service manager, "" for the host's own, and the slice that services are in by themselves. */
interface ManagerGroup {
  readonly path: string;
  readonly slice: string;
}

/** https://systemd.io/CGROUP_DELEGATION/, and systemd.special(7) for the slices. */
export function managerGroup({ user }: Places): ManagerGroup {
  if (user === undefined) return { path: "", slice: "system" };
  return { path: `/user.slice/user-${user.uid}.slice/user@${user.uid}.service`, slice: "app" };
}

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
  /** What the runtime says it is: runc or crun. */
  readonly runtimeName: string;
  /** The bundle: `deployments/NAME/current`. */
  readonly destdir: string;
  /** Where the runtime keeps what it knows of containers, unless it is told otherwise. */
  readonly runtimeState: string;
  readonly manager: ManagerGroup;
  readonly pidFile: string;
  readonly stopSignal: string;
  /** systemd hands a listening socket over. */
  readonly hasSocket: boolean;
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
  if (!alone) return "embedded";
  if (attachedTypes.has(type)) return "attached";
  return type.startsWith("notify") ? "notify" : "forking";
}

/**
 * The runtime leaves the unit's own cgroup for one below it: a cgroup that holds processes cannot have children with
 * controllers, so the container's would become a threaded one, without limits and not to be killed as a whole. In
 * sh(1) as systemd reads it; systemd 254 has DelegateSubgroup= for this.
 */
const leaveOwnCgroup =
  "while read -r l; do case $$l in 0::*) d=/sys/fs/cgroup$${l#0::}/start;; esac; done </proc/self/cgroup; mkdir -p $$d && echo $$$$ >$$d/cgroup.procs;";

/**
 * Clears what a crash left. Asking the runtime costs half of what starting a container does, so it is asked where there is
 * something.
 */
function clearState(name: string, { runtime, runtimeName, runtimeState }: ExecPlaces): string {
  const known = runtimeName === "runc" || runtimeName === "crun";
  return `${known ? `[ ! -e ${runtimeState}/${name} ] || ` : ""}${runtime} delete -f ${name};`;
}

/** The sockets are for the process that LISTEN_PID names, which is the shell until a part of it says that it is that. */
const ownSockets = "read -r LISTEN_PID rest </proc/self/stat;";

/**
 * The command lines that run a container. systemd's own KillSignal= stops one whose first process is the main process, so
 * EXEC_STOP is then empty. With `notify` the container is created and then started: its parent is then systemd, and
 * `start` notices at once when it ends before it is ready, which `run` does not.
 */
export function planExecLines(launch: Launch, places: ExecPlaces): ExecLines {
  const { runtime, destdir, pidFile, stopSignal } = places;
  const name = runtimeId(places.name);
  const remove = `${runtime} delete -f ${name}`;
  const kept = `--pid-file ${pidFile} --bundle ${destdir} ${name}`;
  const below = (commands: string): ExecLines => ({
    execStart: `/bin/sh -c '${clearState(name, places)} ${leaveOwnCgroup} ${commands}'`,
    execStop: "",
    execStartPre: remove,
    execStopPost: remove,
  });
  switch (launch) {
    case "forking":
      return below(`exec ${runtime} run -d ${kept}`);
    case "notify": {
      // crun passes READY=1 on, but does not say which process is the main one.
      const start =
        places.runtimeName === "crun"
          ? `${runtime} start ${name} && systemd-notify MAINPID=$$(cat ${pidFile})`
          : `exec ${runtime} start ${name}`;
      const create = `${runtime} create ${kept}`;
      return below(`${places.hasSocket ? `(${ownSockets} exec ${create})` : create} && ${start}`);
    }
    case "attached":
      return {
        ...below(`exec ${runtime} run --bundle ${destdir} ${name}`),
        execStop: `${runtime} kill ${name} ${stopSignal}`,
      };
    case "embedded":
    case "none": {
      const execStop = `${runtime} kill ${name} ${stopSignal}`;
      return {
        execStart: `${runtime} run --bundle ${destdir} ${name}`,
        execStop,
        execStartPre: remove,
        execStopPost: remove,
      };
    }
  }
}

/**
 * The container's cgroup, `linux.cgroupsPath`: `container` in the unit's own, so that limits and `systemctl status` cover
 * it. runc takes a relative path from the parent of the cgroup it runs in, which is right whatever slice an administrator
 * gives the unit; crun wants it absolute.
 */
export function cgroupsPathOf(launch: Launch, places: ExecPlaces, directives: readonly Directive[]): string {
  const { name, runtimeName, manager } = places;
  if (runtimeName === "crun") {
    const slice = lastValue(directives, "Service", "Slice") ?? defaultSlice(name, manager);
    return `${manager.path}${slicePath(slice)}/${name}.service/container`;
  }
  return launch === "embedded" ? `${name}.service/container` : "container";
}

/** Instances have one of their own, called by what they are instances of, with systemd's escapes. */
function defaultSlice(name: string, { slice }: ManagerGroup): string {
  if (instanceOf(name) === "") return `${slice}.slice`;
  return `${slice}-${name.slice(0, name.indexOf("@")).replaceAll("-", "\\x2d")}.slice`;
}

/** `/a.slice/a-b.slice` for `a-b.slice`. https://www.freedesktop.org/software/systemd/man/252/systemd.slice.html */
function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const parts = slice.replace(/\.slice$/, "").split("-");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}

export interface PlannedUnit {
  readonly text: string;
  readonly directives: readonly Directive[];
}

/**
 * Renders a unit and adds what its text lacks for the container to live and die in the unit's own cgroup. The image's lines
 * stay as they are, but for the target that a user's manager lacks; keelson's follow under a comment. Throws E_UNIT, E_VALUE,
 * E_VALUE_MISSING, E_TEMPLATE.
 */
export function planUnit(
  template: Template,
  values: Values,
  launch: Launch,
  exec: ExecLines,
  places: ExecPlaces,
  facts: Pick<HostFacts, "state" | "places">,
): PlannedUnit {
  const rendered = forManager(renderUnit(template, values), facts.places);
  const own = parseUnit(rendered, template.name);
  // A user's manager starts when the host's file systems are there.
  const mounts = facts.places.user === undefined ? missing(own, "Unit", [["RequiresMountsFor", facts.state]]) : [];
  const added = [
    ["[Unit]", ...mounts, `After=${recoveryUnit}`],
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
  // Else the journal would name the shell that starts the runtime.
  lines.push(...missing(own, "Service", [["SyslogIdentifier", places.name]]));
  if (places.stopSignal !== "SIGTERM") lines.push(...missing(own, "Service", [["KillSignal", places.stopSignal]]));
  if (!allValues(own, "Service", "SuccessExitStatus").some((value) => /\b143\b/.test(value)))
    lines.push("SuccessExitStatus=143");
  if (launch === "embedded" && !hasCommand(own, "ExecStartPre", exec.execStartPre))
    lines.push(`ExecStartPre=-${exec.execStartPre}`);
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
