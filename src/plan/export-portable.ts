import { formatSystemdArgument } from "../contract/systemd-argument.ts";
import type { Deployment } from "./deployment.ts";
import type { ExportedContainer, ExportedMount, Translation } from "./exported.ts";
import type { ExportedUnit } from "./exported-unit.ts";
import { rlimits } from "./overrides.ts";

/** Where systemd looks for units in a portable service. */
export const portableUnits = "/usr/lib/systemd/system";

/** Files that have to be in the tree of a portable service, if empty, for those of the host to be mounted on. */
export const portableFiles: readonly string[] = ["/etc/machine-id", "/etc/resolv.conf"];
export const portableDirectories: readonly string[] = "/proc /sys /dev /run /tmp /var/tmp".split(" ");

const tmpfsOption =
  /^(?:ro|rw|noexec|nodev|nosuid|exec|dev|suid|strictatime|relatime|noatime|(?:mode|size|nr_inodes|uid|gid)=[0-9a-zA-Z%]+)$/;

/**
 * A container as the unit of a portable service, https://systemd.io/PORTABLE_SERVICES: systemd itself starts its program in its
 * tree. To be attached with the profile `trusted`, which adds no limits to those of the unit.
 */
export function exportPortable(deployment: Deployment, container: ExportedContainer, unit: ExportedUnit): Translation {
  const { lines, lost } = environmentOf(container);
  const service = [
    ...unit.service,
    `Type=${unit.notify ? "notify" : "exec"}`,
    `ExecStart=${container.args.map((arg, index) => programOrArgument(arg, index)).join(" ")}`,
    ...lines,
    `WorkingDirectory=${percent(container.cwd)}`,
    ...userOf(container),
    ...privilegesOf(container),
    "ProtectSystem=strict",
    "MountAPIVFS=yes",
    // The profile shows it the host's /run, whatever else is mounted there.
    ...container.mounts.filter(({ destination }) => destination !== "/run").flatMap(mountOf),
    ...namespacesOf(container),
    ...resourcesOf(container),
    ...(unit.stopSignal === undefined ? [] : [`KillSignal=${unit.stopSignal}`]),
    "SuccessExitStatus=143",
  ];
  const sections = [
    ["[Unit]", ...unit.unit],
    ["[Service]", ...service],
    ["[Install]", ...unit.install],
  ].filter(({ length }) => length > 1);
  return {
    text: `${sections.map((section) => section.join("\n")).join("\n\n")}\n`,
    lost: [...container.lost, ...unit.lost, ...lost, ...lostOf(deployment, container)],
  };
}

/** The name of a program is no argument: systemd expands no variables in it. */
function programOrArgument(text: string, index: number): string {
  const argument = formatSystemdArgument(text) ?? '""';
  return index === 0 ? argument.replaceAll("$$", "$") : argument;
}

function environmentOf({ environment, args }: ExportedContainer): Translation & { readonly lines: readonly string[] } {
  const words = environment.map((entry) => ({ entry, word: formatSystemdArgument(entry)?.replaceAll("$$", "$") }));
  return {
    text: "",
    lines: words.flatMap(({ word }) => (word === undefined ? [] : [`Environment=${word}`])),
    lost: [...words.filter(({ word }) => word === undefined).map(({ entry }) => entry), ...args.filter(odd)].map(
      (text) => `${text}: it has control characters`,
    ),
  };
}

function odd(text: string): boolean {
  return formatSystemdArgument(text) === undefined;
}

function userOf({ uid, gid, groups }: ExportedContainer): readonly string[] {
  const more = groups.length === 0 ? [] : [`SupplementaryGroups=${groups.join(" ")}`];
  return uid === 0 && gid === 0 && groups.length === 0 ? [] : [`User=${uid}`, `Group=${gid}`, ...more];
}

function privilegesOf(container: ExportedContainer): readonly string[] {
  const { bounding, capabilities, uid, newPrivileges, devices, deviceRules, unmasked } = container;
  const all = [...new Set([...bounding, ...capabilities])];
  return [
    `CapabilityBoundingSet=${all.join(" ")}`,
    ...(uid === 0 || capabilities.length === 0 ? [] : [`AmbientCapabilities=${capabilities.join(" ")}`]),
    ...(newPrivileges ? [] : ["NoNewPrivileges=yes"]),
    ...(deviceRules.some((rule) => rule.startsWith("a ")) ? [] : ["DevicePolicy=closed"]),
    ...devices.map((path) => `DeviceAllow=${percent(path)} rwm`),
    ...(unmasked ? [] : ["ProtectKernelTunables=yes", "ProtectKernelLogs=yes"]),
  ];
}

function mountOf({ kind, source, destination, options }: ExportedMount): readonly string[] {
  if (kind === "tmpfs") {
    const kept = options.filter((option) => tmpfsOption.test(option));
    return [`TemporaryFileSystem=${pathWord(destination)}${kept.length === 0 ? "" : `:${kept.join(",")}`}`];
  }
  const bound = `${pathWord(source)}:${pathWord(destination)}`;
  if (options.includes("ro")) return [`BindReadOnlyPaths=${bound}`];
  // What ProtectSystem= has made read-only.
  return [`BindPaths=${bound}`, `ReadWritePaths=${pathWord(destination)}`];
}

function namespacesOf({ namespaces }: ExportedContainer): readonly string[] {
  const { network, ipc, uts } = namespaces;
  return [
    ...(network === "own" ? ["PrivateNetwork=yes"] : []),
    ...(typeof network === "object" ? [`NetworkNamespacePath=${percent(network.joined)}`] : []),
    ...(ipc === "own" ? ["PrivateIPC=yes"] : []),
    ...(typeof ipc === "object" ? [`IPCNamespacePath=${percent(ipc.joined)}`] : []),
    ...(uts === "own" ? ["ProtectHostname=yes"] : []),
  ];
}

function resourcesOf({ limits, memory, pids }: ExportedContainer): readonly string[] {
  return [
    ...limits
      .filter(({ name }) => rlimits.includes(name))
      .map(({ name, soft, hard }) => `Limit${name.toUpperCase()}=${soft}:${hard}`),
    ...(memory === undefined ? [] : [`MemoryMax=${memory}`]),
    ...(pids === undefined ? [] : [`TasksMax=${pids}`]),
  ];
}

function lostOf(deployment: Deployment, container: ExportedContainer): readonly string[] {
  const { namespaces, hostname, sysctls, mounts, deviceRules, uid, gid } = container;
  const { pid, uts, cgroup, user } = namespaces;
  const rules = deviceRules.filter((rule) => !rule.startsWith("a "));
  return [
    ...(pid === "host" ? [] : ["its own namespace of processes: it sees those of the host"]),
    ...(mounts.some(({ source }) => source === "/run")
      ? []
      : ["a /run of its own: the profile trusted shows it the host's"]),
    ...(uid === 0 && gid === 0
      ? []
      : [
          `a user and a group that the host does not know: give it ${uid} and ${gid}, with useradd, or it does not start`,
        ]),
    ...(cgroup === "host" ? [] : ["its own namespace of control groups"]),
    ...(user === "host" ? [] : ["its own namespace of users: its user is one of the host's"]),
    ...(uts === "own" && hostname !== undefined ? [`its host name ${hostname}`] : []),
    ...(typeof uts === "object" ? ["its uts namespace, which is another's"] : []),
    ...(typeof pid === "object" ? ["its pid namespace, which is another's"] : []),
    ...sysctls.map(([key, value]) => `the kernel setting ${key}=${value}`),
    ...rules.map((rule) => `the use of devices by numbers: ${rule}`),
    ...mounts.flatMap(lostOptions),
    ...(deployment.service?.health === undefined ? [] : ["its health check"]),
  ];
}

function lostOptions({ kind, destination, options }: ExportedMount): readonly string[] {
  const known = kind === "tmpfs" ? tmpfsOption : /^(?:ro|rw|bind|rprivate|private)$/;
  return options
    .filter((option) => !known.test(option))
    .map((option) => `the mount on ${destination}: its option ${option}`);
}

/** A path in a list that a colon and spaces divide. */
function pathWord(path: string): string {
  return percent(path).replace(/[\\: ]/g, "\\$&");
}

function percent(text: string): string {
  return text.replaceAll("%", "%%");
}
