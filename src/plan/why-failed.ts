import type { Cause } from "./causes.ts";
import { readRuntimeError } from "./runtime-errors.ts";
import type { ProcessEnd, Unbound } from "./unit-facts.ts";
import { type Case, commandFor, makeCause } from "./why-case.ts";

/** Why a unit failed: what systemd calls the result, and what is behind it. */
export function failureCauses(one: Case): readonly Cause[] {
  const { result, limited, unit } = one.facts;
  if (!limited && result !== "start-limit-hit") return [failureCause(one)];
  const text = "it failed too often in too short a time; systemd does not try again by itself";
  const limit = makeCause(one, "START_LIMIT", text, `systemctl reset-failed ${unit} && systemctl start ${unit}`);
  return one.facts.ended === undefined ? [limit] : [limit, failureCause(one)];
}

function failureCause(one: Case): Cause {
  const { result, outOfMemory } = one.facts;
  if (outOfMemory || result === "oom-kill") return memoryCause(one);
  const runtime = one.container?.runtime;
  if (runtime?.there === false) {
    const text = `the OCI runtime ${runtime.path}, which its unit calls, is not there`;
    return makeCause(one, "RUNTIME_MISSING", text, `keelson info ${one.container?.name}`);
  }
  return runtimeCause(one) ?? resultCause(one);
}

function memoryCause(one: Case): Cause {
  const { memoryMax, unit } = one.facts;
  const bound = memoryMax === undefined ? "" : `, of which its service may have ${memoryMax} bytes`;
  const text = `it was killed because memory ran out${bound}`;
  return memoryMax === undefined
    ? makeCause(one, "OOM", text, `journalctl -k --grep=oom`)
    : makeCause(one, "OOM", text, `systemctl set-property ${unit} MemoryMax=${2 * memoryMax}`);
}

/** The runtime's own words, where it is the one that failed. */
function runtimeCause(one: Case): Cause | undefined {
  const error = readRuntimeError(one.facts.output);
  if (error === undefined) return undefined;
  const unbound = one.container?.unbound.find(({ source }) => source === error.source);
  if (error.source !== undefined) {
    return makeCause(one, "BIND_SOURCE", error.text, makingCommand(error.source, unbound));
  }
  return makeCause(one, "RUNTIME", `the OCI runtime could not start it: ${error.text}`, commandFor(one, "logs"));
}

function makingCommand(source: string, unbound: Unbound | undefined): string {
  const path = /^[A-Za-z0-9_.:@%+/-]+$/.test(source) ? source : `'${source.replaceAll("'", `'\\''`)}'`;
  if (unbound?.tmpfiles !== undefined) return `systemd-tmpfiles --create ${unbound.tmpfiles}`;
  return unbound?.file === true ? `touch ${path}` : `mkdir -p ${path}`;
}

function resultCause(one: Case): Cause {
  const { result, ended, subState } = one.facts;
  const logs = commandFor(one, "logs");
  const said = sayingOf(one);
  switch (result) {
    case "timeout":
      return makeCause(one, "TIMEOUT", `it took too long to start or to stop, and was killed${said}`, logs);
    case "watchdog":
      return makeCause(one, "TIMEOUT", `it did not say in time that it is alive, and was killed${said}`, logs);
    case "protocol":
      return makeCause(one, "PROTOCOL", `its program was gone before it was ready${said}`, logs);
    case "resources":
      return makeCause(one, "RESOURCES", `systemd lacked something to start it with${said}`, logs);
    default:
      return ended === undefined
        ? makeCause(one, "FAILED", `systemd calls its end ${result} (${subState})${said}`, logs)
        : endCause(one, ended, said);
  }
}

function endCause(one: Case, { kind, status, program }: ProcessEnd, said: string): Cause {
  const again = one.facts.restarts > 0 ? `, ${one.facts.restarts} restarts so far` : "";
  const next = commandFor(one, "logs");
  if (kind === "killed") {
    return makeCause(
      one,
      "SIGNAL",
      `${program} was killed by ${signals[status] ?? `signal ${status}`}${again}${said}`,
      next,
    );
  }
  return makeCause(one, "EXITED", `${program} ended with status ${status}${again}${said}`, next);
}

function sayingOf(one: Case): string {
  const last = one.facts.output.findLast((line) => line.trim() !== "");
  return last === undefined ? "" : `; the last it said: ${last.trim()}`;
}

/** Those that end programs, by their numbers on Linux. */
const signals: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  15: "SIGTERM",
  31: "SIGSYS",
};
