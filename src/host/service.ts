import type { Deployment } from "../plan/deployment.ts";
import type { Systemd } from "./systemd.ts";
import type { Dependents } from "./unit-state.ts";

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
