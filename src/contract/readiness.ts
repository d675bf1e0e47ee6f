import { isObject } from "../image/json.ts";
import { parseTime } from "./health.ts";
import { isNormalPath } from "./host-path.ts";

/** How to tell that a container that does not say so itself is ready. Times are milliseconds. */
export interface Readiness {
  readonly probe: Probe;
  /** Between two looks. */
  readonly interval: number;
  /** For the whole of it; longer is a failure to start. */
  readonly timeout: number;
}

/** `tcp`, `unix`: one of its processes listens there; `file`: that is there, as it sees it; `command`: succeeds in it. */
export type Probe =
  | { readonly kind: "tcp"; readonly port: number }
  | { readonly kind: "unix" | "file"; readonly path: string }
  | { readonly kind: "command"; readonly command: readonly string[] };

const minimum = { interval: 10, timeout: 1000 };

/** Reads `ready` of manifest.json; undefined when there is none, or when it has a defect, which `problem` is told. */
export function parseReadiness(declared: unknown, problem: (why: string) => void): Readiness | undefined {
  if (declared === undefined) return undefined;
  const { interval = "200ms", timeout = "60s", ...probes } = isObject(declared) ? declared : {};
  const [[kind, value] = ["", undefined], ...more] = Object.entries(probes);
  const probe = more.length === 0 ? probeOf(kind, value) : undefined;
  const times = { interval: parseTime(interval), timeout: parseTime(timeout) };
  if (probe === undefined) {
    problem(
      "ready has not one of tcp (a port), unix, file (absolute paths) and command (a list of strings), well formed",
    );
  } else if (!((times.interval ?? 0) >= minimum.interval && (times.timeout ?? 0) >= minimum.timeout)) {
    problem("ready has an interval or timeout that is no time such as 200ms, 10s or 1m, from 10ms and 1s to a day");
  } else return { probe, interval: times.interval ?? 0, timeout: times.timeout ?? 0 };
  return undefined;
}

function probeOf(kind: string, value: unknown): Probe | undefined {
  switch (kind) {
    case "tcp":
      return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536
        ? { kind, port: Number(value) }
        : undefined;
    case "unix":
    case "file":
      return typeof value === "string" && isNormalPath(value) && isPlain(value) ? { kind, path: value } : undefined;
    case "command": {
      const words: readonly unknown[] = Array.isArray(value) ? value : [];
      const fit = words.every((word): word is string => typeof word === "string" && word !== "" && isPlain(word));
      return words.length > 0 && fit ? { kind, command: words as readonly string[] } : undefined;
    }
    default:
      return undefined;
  }
}

/** Without control characters, which no line of a script should have. */
function isPlain(text: string): boolean {
  return !/[\u0000-\u001f\u007f]/.test(text) && text.isWellFormed();
}
