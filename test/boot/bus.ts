import { expect } from "vitest";
import type { Host } from "./host.ts";

const systemd = "org.freedesktop.systemd1";
const match = `type='method_call',destination='${systemd}'`;
/** Nothing of keelson's asks for it: it marks the end. */
const mark = "GetDefaultTarget";
const manager = [systemd, "/org/freedesktop/systemd1", `${systemd}.Manager`];

/** The monitor says when it listens, and the mark comes after everything that was sent before it. */
const watched = `
  rm -f /run/calls && mkfifo /run/calls
  busctl monitor --json=short --match="$0" >/run/calls 2>&1 &
  exec 3</run/calls
  read -r listening <&3
  "$@" >/run/said 2>&1
  status=$?
  busctl call ${manager.join(" ")} ${mark} >/run/marked
  while read -r call <&3; do
    case $call in *'"${mark}"'*) break ;; esac
    printf '%s\\n' "$call"
  done
  kill $!
  cat /run/said >&2
  exit $status`;

/** Of the manager's methods those that are more than a question. */
const orders = /^(?:Reload|(?!Load|Get|List)(?:[A-Z][a-z]+)*Unit(?:Files)?)$/;

interface Call {
  readonly member: string;
  readonly payload: { readonly data: readonly unknown[] };
}

/** What of systemd was called while keelson ran, in order, as it was seen on the bus. */
export interface Called {
  readonly status: number;
  /** What keelson said. */
  readonly said: string;
  /** Every method. */
  readonly methods: readonly string[];
  /** Those that tell systemd to do something, with the unit: `StopUnit svc.service`. */
  readonly told: readonly string[];
}

export async function watchCalls(host: Host, ...args: readonly string[]): Promise<Called> {
  const { status, stdout, stderr } = await host.machine.run(["sh", "-c", watched, match, host.program, ...args]);
  const calls = stdout
    .split("\n")
    .filter(Boolean)
    .map((line): Call => JSON.parse(line));
  const told = calls.filter(({ member }) => orders.test(member));
  return {
    status,
    said: stderr,
    methods: calls.map(({ member }) => member),
    told: told.map(({ member, payload }) => [member, ...[payload.data[0] ?? []].flat()].join(" ")),
  };
}

const methods: Readonly<Record<string, readonly string[]>> = {
  "systemctl stop": ["StopUnit"],
  "systemctl start": ["StartUnit"],
  "systemctl disable": ["DisableUnitFiles"],
  // As systemctl does.
  "systemctl enable": ["EnableUnitFiles", "Reload"],
  "systemctl daemon-reload": ["Reload"],
  "systemctl reset-failed": ["ResetFailedUnit"],
  // A program, not a method.
  "systemd-tmpfiles --create": [],
  "systemd-tmpfiles --remove": [],
};

/** The same for the verbs of a plan. */
export function calledBy(verbs: readonly string[]): readonly string[] {
  return verbs.flatMap((verb) => {
    const [program, action, unit] = verb.split(" ");
    const names = methods[`${program} ${action}`];
    expect(names, verb).toBeDefined();
    return (names ?? []).map((name) => (name === "Reload" || unit === undefined ? name : `${name} ${unit}`));
  });
}
