import { isObject, type JsonObject } from "../image/json.ts";
import { isBind } from "./config-compat.ts";
import { pathOf } from "./mount-privileges.ts";

/** What a container is in terms that other ways of running it share: config.json, read for a translation. */
export interface ExportedContainer {
  readonly args: readonly string[];
  readonly environment: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** What its first process has; for a user other than root that is what is ambient. */
  readonly capabilities: readonly string[];
  /** What it may have at most. */
  readonly bounding: readonly string[];
  readonly newPrivileges: boolean;
  readonly hostname: string | undefined;
  /** Binds and temporary file systems; what every engine mounts by itself is left out. */
  readonly mounts: readonly ExportedMount[];
  readonly namespaces: Readonly<Record<NamespaceType, ExportedNamespace>>;
  readonly uidMappings: readonly string[];
  readonly gidMappings: readonly string[];
  /** Paths of device nodes. */
  readonly devices: readonly string[];
  /** Rules that allow devices: `c 10:200 rwm`. */
  readonly deviceRules: readonly string[];
  readonly limits: readonly ExportedLimit[];
  readonly memory: number | undefined;
  readonly pids: number | undefined;
  readonly sysctls: readonly (readonly [string, string])[];
  /** Nothing below /proc and /sys is hidden from it or protected. */
  readonly unmasked: boolean;
  readonly seccomp: boolean;
  /** What of config.json is in none of these. */
  readonly lost: readonly string[];
}

export interface ExportedMount {
  readonly kind: "bind" | "tmpfs";
  /** Empty for a tmpfs. */
  readonly source: string;
  readonly destination: string;
  readonly options: readonly string[];
}

/** `joined` is the path of a namespace that is there already. */
export type ExportedNamespace = "host" | "own" | { readonly joined: string };

/** A limit of setrlimit(2): `nofile`. */
export interface ExportedLimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Files that a translation consists of, by their paths, and what it could not say, a line each. */
export interface Translation {
  readonly text: string;
  readonly lost: readonly string[];
}

const namespaceTypes = ["network", "pid", "ipc", "uts", "cgroup", "user"] as const;
type NamespaceType = (typeof namespaceTypes)[number];

/** Every engine mounts these by itself. */
const usual = new Set("/proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup".split(" "));
const usualFiles = new Set("/etc/hosts /etc/resolv.conf".split(" "));

/** Reads a config.json for a translation. */
export function readExported(config: string): ExportedContainer {
  const document: JsonObject = JSON.parse(config);
  const [process, linux] = [objectOf(document.process), objectOf(document.linux)];
  const user = objectOf(process.user);
  const resources = objectOf(linux.resources);
  const mounts = objectsOf(document.mounts).filter((mount) => !isUsual(mount));
  const hostname = typeof document.hostname === "string" ? document.hostname : undefined;
  return {
    args: textsOf(process.args),
    environment: textsOf(process.env),
    cwd: typeof process.cwd === "string" ? process.cwd : "/",
    uid: Number(user.uid ?? 0),
    gid: Number(user.gid ?? 0),
    groups: Array.isArray(user.additionalGids) ? user.additionalGids.map(Number) : [],
    ...capabilitiesOf(process, Number(user.uid ?? 0)),
    newPrivileges: process.noNewPrivileges !== true,
    hostname,
    mounts: mounts.flatMap(mountOf),
    namespaces: namespacesOf(linux),
    uidMappings: objectsOf(linux.uidMappings).map(mappingOf),
    gidMappings: objectsOf(linux.gidMappings).map(mappingOf),
    devices: objectsOf(linux.devices).map(({ path }) => String(path)),
    deviceRules: objectsOf(resources.devices)
      .filter(({ allow }) => allow === true)
      .map(ruleOf),
    limits: objectsOf(process.rlimits).map(limitOf),
    memory: numberAt(resources.memory),
    pids: numberAt(resources.pids),
    sysctls: Object.entries(objectOf(linux.sysctl)).map(([key, value]) => [key, String(value)]),
    unmasked: textsOf(linux.maskedPaths).length === 0 && textsOf(linux.readonlyPaths).length === 0,
    seccomp: isObject(linux.seccomp),
    lost: lostOf(process, linux, resources, mounts),
  };
}

function isUsual(mount: JsonObject): boolean {
  const destination = pathOf(mount.destination);
  const options = textsOf(mount.options);
  if (usualFiles.has(destination))
    return isBind(mount) && pathOf(mount.source) === destination && options.includes("ro");
  if (!usual.has(destination)) return false;
  // Of the host's own, only what nobody writes to is what an engine mounts.
  return (
    !isBind(mount) || (destination.startsWith("/sys") && pathOf(mount.source) === destination && options.includes("ro"))
  );
}

function mountOf(mount: JsonObject): readonly ExportedMount[] {
  const [destination, options] = [pathOf(mount.destination), textsOf(mount.options)];
  if (isBind(mount)) {
    const others = options.filter((option) => option !== "rbind");
    return [{ kind: "bind", source: pathOf(mount.source), destination, options: others }];
  }
  return mount.type === "tmpfs" ? [{ kind: "tmpfs", source: "", destination, options }] : [];
}

/** A user other than root has only what is ambient. */
function capabilitiesOf(process: JsonObject, uid: number): Pick<ExportedContainer, "capabilities" | "bounding"> {
  const sets = objectOf(process.capabilities);
  return { capabilities: textsOf(uid === 0 ? sets.effective : sets.ambient), bounding: textsOf(sets.bounding) };
}

function namespacesOf(linux: JsonObject): ExportedContainer["namespaces"] {
  const listed = objectsOf(linux.namespaces);
  const kindOf = (type: NamespaceType): ExportedNamespace => {
    const found = listed.find((namespace) => namespace.type === type);
    if (found === undefined) return "host";
    return typeof found.path === "string" && found.path !== "" ? { joined: found.path } : "own";
  };
  const [network, pid, ipc, uts, cgroup, user] = namespaceTypes.map(kindOf);
  return {
    ...{ network: network ?? "host", pid: pid ?? "host", ipc: ipc ?? "host" },
    ...{ uts: uts ?? "host", cgroup: cgroup ?? "host", user: user ?? "host" },
  };
}

function mappingOf({ containerID, hostID, size }: JsonObject): string {
  return `${Number(containerID)}:${Number(hostID)}:${Number(size)}`;
}

function ruleOf({ type, major, minor, access }: JsonObject): string {
  const number = (value: unknown): string => (typeof value === "number" && value >= 0 ? String(value) : "*");
  return `${String(type ?? "a")} ${number(major)}:${number(minor)} ${String(access ?? "rwm")}`;
}

function limitOf({ type, soft, hard }: JsonObject): ExportedLimit {
  return {
    name: String(type)
      .replace(/^RLIMIT_/, "")
      .toLowerCase(),
    soft: Number(soft),
    hard: Number(hard),
  };
}

function numberAt(resource: unknown): number | undefined {
  const { limit } = objectOf(resource);
  return typeof limit === "number" && limit > 0 ? limit : undefined;
}

/** What no translation has a word for. */
function lostOf(
  process: JsonObject,
  linux: JsonObject,
  resources: JsonObject,
  mounts: readonly JsonObject[],
): readonly string[] {
  const others = mounts.filter((mount) => mountOf(mount).length === 0);
  const { memory, pids } = resources;
  const known = (value: unknown): boolean => Object.keys(objectOf(value)).every((key) => key === "limit");
  const keys = Object.keys(resources).filter((key) => !["devices", "memory", "pids"].includes(key));
  return [
    ...others.map(({ type, destination }) => `config.json: the mount of ${String(type)} on ${String(destination)}`),
    ...[...keys, ...(known(memory) ? [] : ["memory"]), ...(known(pids) ? [] : ["pids"])].map(
      (key) => `config.json: linux.resources.${key}`,
    ),
    ...["apparmorProfile", "selinuxLabel", "oomScoreAdj", "scheduler", "ioPriority"]
      .filter((key) => process[key] !== undefined && process[key] !== "")
      .map((key) => `config.json: process.${key}`),
    ...["intelRdt", "rootfsPropagation", "mountLabel", "personality", "timeOffsets"]
      .filter((key) => linux[key] !== undefined && linux[key] !== "" && linux[key] !== "private")
      .map((key) => `config.json: linux.${key}`),
    ...(linux.seccomp === undefined ? [] : ["config.json: linux.seccomp, the filter of system calls"]),
  ];
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
