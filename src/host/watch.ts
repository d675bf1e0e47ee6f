import { setTimeout as wait } from "node:timers/promises";
import { KeelsonError } from "../errors.ts";
import type { HostChange } from "../plan/change.ts";
import { checkHealth } from "./health.ts";
import { type JournalScope, lastLines } from "./journal-lines.ts";
import type { Systemd } from "./systemd.ts";
import type { UnitState } from "./unit-state.ts";

export type WatchRequest = Extract<HostChange, { kind: "watch" }>;

const lookInterval = 250;

/**
 * Watches units together, as watchUnit does each; the first that is not well stops it all. One that depends on another of them
 * answers for itself.
 */
export async function watchUnits(
  requests: readonly WatchRequest[],
  systemd: Systemd,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const failures: unknown[] = [];
  const units = new Set(requests.map(({ unit }) => unit));
  const watches = requests.map((request) =>
    watchUnit({ ...request, others: request.others.filter((other) => !units.has(other)) }, systemd, both).catch(
      (error: unknown) => {
        failures.push(error);
        stop.abort();
      },
    ),
  );
  await Promise.all(watches);
  if (failures.length > 0) throw failures[0];
}

/**
 * Watches a unit that has just been started until the soak time is over. What it must not do: leave `active`, restart,
 * change its main process, fail the image's health check as often in a row as its retries allow. Throws E_UNHEALTHY
 * saying which, with the last journal lines.
 */
async function watchUnit(request: WatchRequest, systemd: Systemd, signal: AbortSignal): Promise<void> {
  const begun = Date.now();
  const first = await stateOf(request.unit, systemd);
  let nextCheck = begun;
  let failures = 0;
  const unhealthy = (why: string): Promise<KeelsonError> => failureOf(request, systemd.scope, begun, why);
  for (;;) {
    const state = await stateOf(request.unit, systemd);
    const trouble = troubleOf(first, state);
    if (trouble !== undefined) throw await unhealthy(trouble);
    const fallen = await fallenOf(request.others, systemd);
    if (fallen !== undefined) throw await unhealthy(fallen);
    const { health } = request;
    if (health !== undefined && Date.now() >= nextCheck) {
      nextCheck = Date.now() + health.interval;
      const said = await checkHealth(request, health);
      failures = said === undefined ? 0 : failures + 1;
      if (said !== undefined && failures > health.retries) throw await unhealthy(`its health check failed: ${said}`);
    }
    const left = begun + request.soak - Date.now();
    if (left <= 0) {
      // A check that has not succeeded since it last failed is no health.
      if (failures === 0) return;
      if (left < -(health?.interval ?? 0) * ((health?.retries ?? 0) + 1))
        throw await unhealthy("its health check never succeeded");
    }
    await wait(Math.max(1, Math.min(lookInterval, left > 0 ? left : lookInterval)), undefined, { signal });
  }
}

function troubleOf(first: UnitState, state: UnitState): string | undefined {
  if (state.restarts > 0) return `it ended and systemd started it again (result ${state.result})`;
  if (state.activeState !== "active") return `it is ${state.activeState} (${state.subState}), result ${state.result}`;
  if (state.mainPid !== first.mainPid) return "its main process is another one than at its start";
  return undefined;
}

async function fallenOf(others: readonly string[], systemd: Systemd): Promise<string | undefined> {
  for (const [unit, state] of await systemd.states(others)) {
    if (!["active", "reloading"].includes(state.activeState))
      return `${unit}, which depends on it, is ${state.activeState} (result ${state.result})`;
  }
  return undefined;
}

async function stateOf(unit: string, systemd: Systemd): Promise<UnitState> {
  const state = (await systemd.states([unit])).get(unit);
  if (state === undefined) throw new Error(`no state of ${unit}`);
  return state;
}

async function failureOf(
  request: WatchRequest,
  scope: JournalScope,
  begun: number,
  why: string,
): Promise<KeelsonError> {
  const lines = await lastLines(request.unit, begun, scope);
  return new KeelsonError("E_UNHEALTHY", [`${request.unit} did not stay healthy: ${why}`, ...lines].join("\n"), {
    hint: `journalctl -u ${request.unit} shows more.`,
  });
}
