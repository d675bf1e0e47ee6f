import type { Machine } from "./machine.ts";

/** Of a unit's latest start, in microseconds since the kernel started. */
export interface StartTimes {
  readonly unit: string;
  /** When systemd first did anything for it. */
  readonly begun: number;
  /** When it said that it was ready. */
  readonly ready: number;
}

export async function readTimes(machine: Machine, name: string): Promise<StartTimes> {
  const unit = `${name}.service`;
  const properties = ["InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"];
  const text = await machine.ok(["systemctl", "show", unit, `--property=${properties.join(",")}`]);
  const [begun = 0, ready = 0] = properties.map((name) => Number(new RegExp(`^${name}=(\\d+)$`, "m").exec(text)?.[1]));
  return { unit, begun, ready };
}

/** A table in milliseconds since the first of them was begun. */
export function formatTimes(times: readonly StartTimes[]): readonly string[] {
  const zero = Math.min(...times.map(({ begun }) => begun));
  const milliseconds = (time: number): string => `${((time - zero) / 1000).toFixed(0)} ms`.padStart(10);
  return [
    `${"UNIT".padEnd(20)}${"BEGUN".padStart(10)}${"READY".padStart(10)}`,
    ...times.map(({ unit, begun, ready }) => `${unit.padEnd(20)}${milliseconds(begun)}${milliseconds(ready)}`),
  ];
}
