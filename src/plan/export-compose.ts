import { formatYaml } from "../yaml.ts";
import type { Deployment } from "./deployment.ts";
import type { ExportedContainer, ExportedMount, ExportedNamespace, Translation } from "./exported.ts";
import type { ExportedUnit } from "./exported-unit.ts";

const propagations = new Set(["shared", "rshared", "slave", "rslave", "private", "rprivate"]);

/**
 * A container as a file for compose with one service, https://github.com/compose-spec/compose-spec/blob/main/spec.md. `image`
 * is what an engine can pull.
 */
export function exportCompose(
  deployment: Deployment,
  container: ExportedContainer,
  unit: ExportedUnit,
  image: string,
): Translation {
  const { args, cwd, uid, gid, groups, mounts, devices, deviceRules, sysctls } = container;
  const service = {
    image,
    container_name: deployment.name.replace("@", "_"),
    entrypoint: args.map(literal),
    command: [],
    environment: container.environment.map(literal),
    working_dir: literal(cwd),
    user: `${uid}:${gid}`,
    group_add: listed(groups.map(String)),
    read_only: true,
    cap_drop: ["ALL"],
    cap_add: listed(addedCapabilities(container)),
    security_opt: listed([
      ...(container.seccomp ? [] : ["seccomp=unconfined"]),
      ...(container.newPrivileges ? [] : ["no-new-privileges:true"]),
      ...(container.unmasked ? ["systempaths=unconfined"] : []),
    ]),
    devices: listed(devices.map((path) => literal(`${path}:${path}`))),
    device_cgroup_rules: listed(deviceRules),
    volumes: listed(mounts.filter(({ kind }) => kind === "bind").map(volume)),
    tmpfs: listed(mounts.filter(({ kind }) => kind === "tmpfs").map(temporary)),
    ...namespacesOf(container),
    sysctls: sysctls.length === 0 ? undefined : Object.fromEntries(sysctls),
    ulimits: ulimitsOf(container),
    mem_limit: container.memory,
    pids_limit: container.pids,
    stop_signal: unit.stopSignal,
    restart: restartOf(unit),
    healthcheck: healthOf(deployment),
  };
  const name = deployment.name.replace("@", "_");
  return { text: formatYaml({ services: { [name]: service } }), lost: lostOf(deployment, container, unit) };
}

/** An engine gives these to a user other than root as what may be gained at most. */
function addedCapabilities({ bounding }: ExportedContainer): readonly string[] {
  return bounding.map((name) => name.replace(/^CAP_/, ""));
}

function volume({ source, destination, options }: ExportedMount): unknown {
  const propagation = options.find((option) => propagations.has(option));
  return {
    type: "bind",
    source: literal(source),
    target: literal(destination),
    ...(options.includes("ro") ? { read_only: true } : {}),
    ...(propagation === undefined ? {} : { bind: { propagation } }),
  };
}

function temporary({ destination, options }: ExportedMount): string {
  return literal(options.length === 0 ? destination : `${destination}:${options.join(",")}`);
}

function namespacesOf({ namespaces, hostname }: ExportedContainer): Readonly<Record<string, string | undefined>> {
  const host = (namespace: ExportedNamespace): string | undefined => (namespace === "host" ? "host" : undefined);
  const { network, pid, ipc, uts, cgroup, user } = namespaces;
  return {
    network_mode: network === "host" ? "host" : "none",
    pid: host(pid),
    ipc: host(ipc) ?? "private",
    uts: host(uts),
    cgroup: host(cgroup) ?? "private",
    userns_mode: host(user),
    hostname: uts === "own" && hostname !== undefined ? literal(hostname) : undefined,
  };
}

function ulimitsOf({ limits }: ExportedContainer): unknown {
  if (limits.length === 0) return undefined;
  return Object.fromEntries(limits.map(({ name, soft, hard }) => [name, { soft, hard }]));
}

/** An engine restarts always, when it failed, or never. */
function restartOf({ restart }: ExportedUnit): string {
  if (restart === "no" || restart === "always") return restart;
  return restart === "on-success" ? "no" : "on-failure";
}

function healthOf({ service }: Deployment): unknown {
  if (service?.health === undefined) return undefined;
  const { command, interval, timeout, retries } = service.health;
  const test = ["CMD", ...command.map(literal)];
  return { test, interval: `${interval}ms`, timeout: `${timeout}ms`, retries };
}

function lostOf(deployment: Deployment, container: ExportedContainer, unit: ExportedUnit): readonly string[] {
  const { capabilities, uid, mounts, uidMappings } = container;
  const joined = Object.entries(container.namespaces).filter(([, namespace]) => typeof namespace === "object");
  const odd = mounts.flatMap(({ kind, destination, options }) =>
    kind === "tmpfs"
      ? []
      : options
          .filter((option) => !["ro", "rw", "bind"].includes(option) && !propagations.has(option))
          .map((option) => `the mount on ${destination}: its option ${option}`),
  );
  const { unit: relations, service, install, restart } = unit;
  const said = [...relations, ...service].filter((line) => !/^(?:Description|Restart)=/.test(line));
  return [
    ...container.lost,
    ...unit.lost,
    ...odd,
    ...(uid === 0 || capabilities.length === 0
      ? []
      : [`its own capabilities as user ${uid}: ${capabilities.join(", ")}`]),
    ...joined.map(([type]) => `its ${type} namespace, which is another's`),
    ...(uidMappings.length === 0 ? [] : ["its mapping of users"]),
    ...(unit.notify ? ["that it says by itself when it is ready"] : []),
    ...(["no", "always", "on-failure"].includes(restart) ? [] : [`the unit: Restart=${restart}`]),
    ...[...said, ...install].map((line) => `the unit: ${line}`),
    ...(deployment.rootfs === undefined ? [] : [`its root filesystem ${deployment.rootfs}`]),
  ];
}

/** Compose puts variables in place of a dollar. */
function literal(text: string): string {
  return text.replaceAll("$", "$$$$");
}

function listed<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
