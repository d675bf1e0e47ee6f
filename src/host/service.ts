import type { Deployment } from "../plan/deployment.ts";
import { unitFilesOf } from "../plan/triggers.ts";
import type { InstalledContainer } from "./deployments.ts";
import type { Systemd } from "./systemd.ts";
import type { Dependents, UnitState } from "./unit-state.ts";

/** Whether the service of a deployment is up, or on its way up or down. */
export async function readRunning({ service }: Deployment, systemd: Systemd): Promise<boolean> {
  if (service === undefined || !systemd.running) return false;
  const state = (await systemd.states([service.unit])).get(service.unit);
  return state !== undefined && !["inactive", "failed"].includes(state.activeState);
}

/** The deployment, enabled or not as its unit is on the host now: that is for an administrator to change. */
export async function asItStands(deployment: Deployment, systemd: Systemd): Promise<Deployment> {
  const { service } = deployment;
  if (service === undefined) return deployment;
  const states = await systemd.states(unitFilesOf(service).map(({ unit }) => unit));
  const known = [...states.values()]
    .map((state) => state.unitFileState)
    .filter((state) => /^(?:en|dis)abled$/.test(state));
  return withEnabled(deployment, known.length === 0 ? service.enabled : known.includes("enabled"));
}

/** The sockets and timers of a deployment that are up. */
export async function readTriggers({ service }: Deployment, systemd: Systemd): Promise<readonly string[]> {
  const units = service?.triggers?.map(({ unit }) => unit) ?? [];
  if (units.length === 0 || !systemd.running) return [];
  const states = await systemd.states(units);
  return units.filter((unit) => states.get(unit)?.activeState === "active");
}

/**
 * What has to be stopped for another deployment. A job that a timer has started ends as it began: the next has the other
 * deployment.
 */
export async function readInterrupted(
  deployment: Deployment,
  systemd: Systemd,
): Promise<{ readonly running: boolean; readonly triggers: readonly string[] }> {
  const timed = deployment.service?.triggers?.some(({ kind }) => kind === "timer") === true;
  const running = !timed && (await readRunning(deployment, systemd));
  return { running, triggers: await readTriggers(deployment, systemd) };
}

export function withEnabled(deployment: Deployment, enabled: boolean): Deployment {
  return deployment.service === undefined ? deployment : { ...deployment, service: { ...deployment.service, enabled } };
}

/** The services that are up and lean on that of a deployment. */
export async function readDependents({ service }: Deployment, systemd: Systemd): Promise<Dependents> {
  return service === undefined ? { requiring: [], wanting: [] } : systemd.dependents(service.unit);
}

/** The states of the services of all containers that can be read, by unit; none where no manager runs. */
export async function readStates(
  containers: readonly InstalledContainer[],
  systemd: Systemd,
): Promise<ReadonlyMap<string, UnitState>> {
  const units = containers.flatMap((container) =>
    container.kind === "installed" ? (container.deployment.service?.unit ?? []) : [],
  );
  return systemd.running && units.length > 0 ? systemd.states(units) : new Map();
}

/** Whether the service is enabled, as systemd has it, or else as it was installed; null without a service. */
export function isEnabled({ service }: Deployment, state: UnitState | undefined): boolean | null {
  if (service === undefined) return null;
  return state === undefined ? service.enabled : state.unitFileState.startsWith("enabled");
}
