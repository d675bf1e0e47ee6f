import { KeelsonError, printable } from "../errors.ts";
import { type HealthCheck, longestTime } from "../image/health.ts";
import { isObject } from "../image/json.ts";

const standardRetries = 3;

/** Reads `health` of manifest.json; undefined when there is none, or when it has a defect, which `problem` is told. */
export function parseHealth(declared: unknown, problem: (why: string) => void): HealthCheck | undefined {
  if (declared === undefined) return undefined;
  const { command, interval = "1s", timeout = "5s", retries = standardRetries } = isObject(declared) ? declared : {};
  const times = { interval: parseTime(interval), timeout: parseTime(timeout) };
  if (
    !Array.isArray(command) ||
    command.length === 0 ||
    !command.every((part) => typeof part === "string" && part !== "")
  ) {
    problem("health has no command, a list of strings with the program first");
  } else if (!times.interval || !times.timeout) {
    problem("health has an interval or timeout that is no time such as 500ms, 10s or 1m, a day at most");
  } else if (!Number.isInteger(retries) || retries < 0 || retries > 1000) {
    problem("health has retries that are no count");
  } else {
    return { command, interval: times.interval, timeout: times.timeout, retries };
  }
  return undefined;
}

/** How long what was started has to stay up, in milliseconds. Throws E_USAGE. */
export function parseSoak(text: string): number {
  const time = parseTime(text);
  if (time !== undefined) return time;
  throw new KeelsonError("E_USAGE", `--soak is ${printable(text)}, which is no time`, {
    hint: "Write --soak 500ms, 10s or 1m, a day at most.",
  });
}

/** A time as people write it: `10s`, `500ms`, `2m`, or a number of seconds; undefined when it is none, or above a day. */
export function parseTime(value: unknown): number | undefined {
  const text = typeof value === "number" ? String(value) : value;
  const match = typeof text === "string" ? /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|min|h)?$/.exec(text) : null;
  if (match === null) return undefined;
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };
  const time = Math.round(Number(match[1]) * (units[match[2] ?? "s"] ?? 1000));
  return time <= longestTime ? time : undefined;
}
