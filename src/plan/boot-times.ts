/** What systemd remembers of the latest start of a unit: microseconds of its monotonic clock, 0 for what has not been. */
export interface StartTimes {
  readonly unit: string;
  readonly state: string;
  /** systemd has still to start it. */
  readonly waiting: boolean;
  /** It became runnable: nothing that it starts after was still to be waited for, and its conditions were looked at. */
  readonly released: number;
  /** The command that runs the container was begun. */
  readonly runtime: number;
  /** The container's own process was there. */
  readonly program: number;
  readonly ready: number;
  readonly restarts: number;
  /** The units that it starts after. */
  readonly after: readonly string[];
  /** Whether its health check succeeds now; absent where it has none, or is not up. */
  readonly healthy?: boolean;
  /** It was not ready before its health check had succeeded. */
  readonly readyWhenHealthy?: boolean;
}

/** The boot itself, on the same clock. */
export interface BootClock {
  /** systemd began. */
  readonly begun: number;
  /** It had read all units, and queued what the boot is to start. */
  readonly queued: number;
  /** All of that had been done; 0 while the boot goes on. */
  readonly finished: number;
}

/** One line of the chart: milliseconds since systemd began, null for what has not been, or is not known. */
export interface BootRow {
  readonly unit: string;
  readonly container: string | null;
  readonly state: string;
  /** Null for what was started, or started again, later than by the boot. */
  readonly queued: number | null;
  readonly released: number | null;
  readonly runtime: number | null;
  readonly program: number | null;
  readonly ready: number | null;
  readonly healthy: boolean | null;
  /** When its health check first succeeded, where that is what being ready waits for. */
  readonly healthySince: number | null;
  readonly restarts: number;
}

/**
 * The chart in the order in which units became runnable; what has not come to that stands last. `containers` are names by
 * units.
 */
export function chartBoot(
  clock: BootClock,
  times: readonly StartTimes[],
  containers: ReadonlyMap<string, string>,
): readonly BootRow[] {
  const at = (moment: number): number | null => (moment === 0 ? null : Math.max(0, moment - clock.begun) / 1000);
  const rows = times.map(({ unit, state, waiting, healthy, readyWhenHealthy, restarts, ...moments }): BootRow => {
    // An earlier start may have been ready when this one is not yet.
    const since = (moment: number): number | null => (moment < moments.released ? null : at(moment));
    const early = clock.finished === 0 || moments.released <= clock.finished;
    const booted = restarts === 0 && early && (waiting || moments.released > 0);
    return {
      unit,
      container: containers.get(unit) ?? null,
      state,
      queued: booted ? at(clock.queued) : null,
      released: at(moments.released),
      runtime: since(moments.runtime),
      program: since(moments.program),
      ready: since(moments.ready),
      healthy: healthy ?? null,
      healthySince: readyWhenHealthy === true ? since(moments.ready) : null,
      restarts,
    };
  });
  const place = ({ released }: BootRow): number => released ?? Number.POSITIVE_INFINITY;
  return rows.toSorted((a, b) => place(a) - place(b) || (a.unit < b.unit ? -1 : 1));
}

/** Those of `times` that `unit` came after, however far, and itself. */
export function timesBehind(unit: string, times: readonly StartTimes[]): readonly StartTimes[] {
  const known = new Map(times.map((one) => [one.unit, one]));
  const wanted = new Set([unit]);
  for (const name of wanted) for (const other of known.get(name)?.after ?? []) wanted.add(other);
  return times.filter((one) => wanted.has(one.unit));
}
