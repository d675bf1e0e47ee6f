import type { BootClock, StartTimes } from "../plan/boot-times.ts";
import type { Bus } from "./systemd-bus.ts";
import { readManagerProperties, readUnitProperties } from "./unit-properties.ts";

/** When the boot began, queued what it is to start, and was done. */
export async function readBootClock(bus: Bus): Promise<BootClock> {
  const { number } = await readManagerProperties(bus);
  return {
    begun: number("UserspaceTimestampMonotonic"),
    queued: number("UnitsLoadFinishTimestampMonotonic"),
    finished: number("FinishTimestampMonotonic"),
  };
}

/** What systemd remembers of the latest starts of units. */
export async function readStartTimes(bus: Bus, units: readonly string[]): Promise<readonly StartTimes[]> {
  const times = [];
  for (const unit of units) times.push(await readTimes(bus, unit));
  return times;
}

async function readTimes(bus: Bus, unit: string): Promise<StartTimes> {
  const { text, number, list } = await readUnitProperties(bus, unit);
  const [job] = list<number | string>("Job");
  const [command] = list<readonly unknown[]>("ExecStart");
  return {
    unit,
    state: text("ActiveState"),
    waiting: Number(job ?? 0) > 0,
    released: number("ConditionTimestampMonotonic"),
    // After path, arguments, whether failure counts, and the time of day.
    runtime: Number(command?.[4] ?? 0),
    program: number("ExecMainStartTimestampMonotonic"),
    ready: number("ActiveEnterTimestampMonotonic"),
    restarts: number("NRestarts"),
    after: list<string>("After"),
  };
}
