import type { Deployment } from "../plan/deployment.ts";
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
  const state = (await systemd.states([service.unit])).get(service.unit)?.unitFileState ?? "";
  return withEnabled(deployment, /^(?:enabled|disabled)$/.test(state) ? state === "enabled" : service.enabled);
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
