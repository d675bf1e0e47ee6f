import { existsSync, statSync } from "node:fs";
import { isObject } from "../image/json.ts";
import { isBind } from "../plan/config-compat.ts";
import type { Deployment } from "../plan/deployment.ts";
import type { ContainerFacts, Unbound } from "../plan/unit-facts.ts";
import { checkHealth } from "./health.ts";
import { executable } from "./program.ts";

/**
 * What is known of a container beyond its unit. `bundle` is where its rootfs is; the health check is run where the container
 * is `up`.
 */
export async function readContainerFacts(deployment: Deployment, bundle: string, up: boolean): Promise<ContainerFacts> {
  const { name, runtime, service } = deployment;
  const there = executable(runtime);
  const health = up && there ? service?.health : undefined;
  const unhealthy = health === undefined ? undefined : await checkHealth({ name, runtime }, health);
  return {
    name,
    runtime: { path: runtime, there },
    unbound: up ? [] : unboundOf(deployment, bundle),
    ...(unhealthy === undefined ? {} : { unhealthy }),
  };
}

function unboundOf({ config, tmpfiles }: Deployment, bundle: string): readonly Unbound[] {
  const { mounts }: { readonly mounts?: unknown } = JSON.parse(config);
  const binds = Array.isArray(mounts) ? mounts.filter(isObject).filter(isBind) : [];
  return binds.flatMap((mount): readonly Unbound[] => {
    const [source, destination] = [String(mount.source), String(mount.destination)];
    if (existsSync(source)) return [];
    const file = statSync(`${bundle}/rootfs${destination}`, { throwIfNoEntry: false })?.isFile() === true;
    const made = tmpfiles?.declared.includes(source) === true ? tmpfiles.path : undefined;
    return [{ source, destination, file, ...(made === undefined ? {} : { tmpfiles: made }) }];
  });
}
