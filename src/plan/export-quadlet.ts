import { formatSystemdArgument } from "../contract/systemd-argument.ts";
import type { Deployment } from "./deployment.ts";
import type { ExportedContainer, ExportedMount, ExportedNamespace, Translation } from "./exported.ts";
import type { ExportedUnit } from "./exported-unit.ts";

/** What podman takes as options of a volume. */
const volumeOption = /^(?:ro|rw|r?bind|no(?:exec|dev|suid)|exec|dev|suid|r?(?:shared|slave|private|unbindable))$/;

/** Lines that say what they can, and what they cannot. */
interface Part {
  readonly lines: readonly string[];
  readonly lost: readonly string[];
}

/**
 * A container as a `.container` file for podman, https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html. Where a
 * key is younger than podman 4.4 the option of podman run that it stands for is given. `image` is what podman can pull.
 */
export function exportQuadlet(
  deployment: Deployment,
  container: ExportedContainer,
  unit: ExportedUnit,
  image: string,
): Translation {
  const from = deployment.rootfs === undefined ? `Image=${image}` : `Rootfs=${deployment.rootfs}`;
  const parts = [
    processPart(container),
    privilegePart(container),
    mountPart(container.mounts),
    namespacePart(container),
    resourcePart(container),
    { lines: unit.notify ? ["Notify=true"] : [], lost: [] },
    stopPart(unit),
    healthPart(deployment),
  ];
  const sections = [
    ["[Unit]", ...unit.unit],
    ["[Container]", from, `ContainerName=${deployment.name.replace("@", "+")}`, ...parts.flatMap(({ lines }) => lines)],
    ["[Service]", ...unit.service],
    ["[Install]", ...unit.install],
  ].filter(({ length }) => length > 1);
  return {
    text: `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`,
    lost: [...container.lost, ...unit.lost, ...parts.flatMap(({ lost }) => lost)],
  };
}

function processPart({ args, environment, cwd, uid, gid, groups }: ExportedContainer): Part {
  const [program = "", ...rest] = args;
  return joined([
    podman("--entrypoint", program),
    rest.length === 0 ? { lines: [], lost: [] } : words("Exec", rest),
    podman("--workdir", cwd),
    ...environment.map((entry) => words("Environment", [entry])),
    { lines: [`User=${uid}`, `Group=${gid}`], lost: [] },
    ...groups.map((group) => podman("--group-add", String(group))),
  ]);
}

function privilegePart(container: ExportedContainer): Part {
  const { capabilities, bounding, uid, newPrivileges, unmasked, devices, deviceRules } = container;
  const gained = uid === 0 || !newPrivileges ? [] : bounding.filter((name) => !capabilities.includes(name));
  const lost = gained.length === 0 ? [] : [`what set-id programs in it may gain: ${gained.join(", ")}`];
  return joined([
    { lines: ["ReadOnly=true", "PodmanArgs=--read-only-tmpfs=false", "DropCapability=all"], lost },
    { lines: capabilities.map((name) => `AddCapability=${name}`), lost: [] },
    // podman has a filter of its own where nothing is said.
    { lines: container.seccomp ? [] : ["SeccompProfile=unconfined"], lost: [] },
    { lines: newPrivileges ? [] : ["NoNewPrivileges=true"], lost: [] },
    ...(unmasked ? [podman("--security-opt", "unmask=ALL")] : []),
    ...devices.map((path) => raw("AddDevice", path)),
    ...deviceRules.map((rule) => podman("--device-cgroup-rule", rule)),
  ]);
}

function mountPart(mounts: readonly ExportedMount[]): Part {
  return joined(
    mounts.map(({ kind, source, destination, options }): Part => {
      if (`${source}${destination}`.includes(":"))
        return { lines: [], lost: [`the mount on ${destination}: its path has a colon`] };
      const kept = kind === "tmpfs" ? options : options.filter((option) => volumeOption.test(option));
      const tail = kept.length === 0 ? "" : `:${kept.join(",")}`;
      const odd = options.filter((option) => !kept.includes(option));
      const line =
        kind === "tmpfs" ? raw("Tmpfs", `${destination}${tail}`) : raw("Volume", `${source}:${destination}${tail}`);
      return {
        ...line,
        lost: [...line.lost, ...odd.map((option) => `the mount on ${destination}: its option ${option}`)],
      };
    }),
  );
}

function namespacePart({ namespaces, hostname, uidMappings, gidMappings }: ExportedContainer): Part {
  const { network, pid, ipc, uts, cgroup, user } = namespaces;
  const flag = (name: string, namespace: ExportedNamespace): readonly Part[] => {
    if (namespace === "own") return [];
    return [podman(name, namespace === "host" ? "host" : `ns:${namespace.joined}`)];
  };
  const mapped =
    user === "own" ? [...mappingFlags("--uidmap", uidMappings), ...mappingFlags("--gidmap", gidMappings)] : [];
  const net = network === "host" ? "host" : network === "own" ? "none" : `ns:${network.joined}`;
  return joined([
    raw("Network", net),
    ...flag("--pid", pid),
    ...flag("--ipc", ipc),
    ...flag("--uts", uts),
    ...flag("--cgroupns", cgroup),
    ...(user === "own" || user === "host" ? mapped : flag("--userns", user)),
    ...(uts === "own" && hostname !== undefined ? [podman("--hostname", hostname)] : []),
  ]);
}

function mappingFlags(name: string, mappings: readonly string[]): readonly Part[] {
  return mappings.map((mapping) => podman(name, mapping));
}

function resourcePart({ limits, memory, pids, sysctls }: ExportedContainer): Part {
  return joined([
    ...limits.map(({ name, soft, hard }) => podman("--ulimit", `${name}=${soft}:${hard}`)),
    ...(memory === undefined ? [] : [podman("--memory", `${memory}b`)]),
    // Else podman sets a limit of its own.
    podman("--pids-limit", String(pids ?? -1)),
    ...sysctls.map(([key, value]) => podman("--sysctl", `${key}=${value}`)),
  ]);
}

function stopPart({ stopSignal }: ExportedUnit): Part {
  return stopSignal === undefined ? { lines: [], lost: [] } : podman("--stop-signal", stopSignal);
}

function healthPart({ service }: Deployment): Part {
  if (service?.health === undefined) return { lines: [], lost: [] };
  const { command, interval, timeout, retries } = service.health;
  return joined([
    podman("--health-cmd", JSON.stringify(["CMD", ...command])),
    podman("--health-interval", `${interval}ms`),
    podman("--health-timeout", `${timeout}ms`),
    podman("--health-retries", String(retries)),
  ]);
}

/** An option of podman run, as one word. */
function podman(option: string, value: string): Part {
  return words("PodmanArgs", [`${option}=${value}`]);
}

/** A value that is read as words, as in Exec lines of systemd. */
function words(key: string, list: readonly string[]): Part {
  const written = list.map(formatSystemdArgument);
  if (written.every((word) => word !== undefined)) return { lines: [`${key}=${written.join(" ")}`], lost: [] };
  return { lines: [], lost: [`${key}=${list.join(" ")}: it has control characters`] };
}

/** A value that is taken as a whole, and then stands in an Exec line. */
function raw(key: string, value: string): Part {
  if (/[\u0000-\u001f\u007f]|\\$/.test(value))
    return { lines: [], lost: [`${key}=${value}: it has control characters`] };
  return { lines: [`${key}=${value.replaceAll("%", "%%").replaceAll("$", "$$$$")}`], lost: [] };
}

function joined(parts: readonly Part[]): Part {
  return { lines: parts.flatMap(({ lines }) => lines), lost: parts.flatMap(({ lost }) => lost) };
}
