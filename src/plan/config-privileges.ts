import { isObject, type JsonObject } from "../image/json.ts";
import { mountPrivileges, pathOf, propagates } from "./mount-privileges.ts";
import type { Privilege } from "./privilege.ts";

const namespaces = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"] as const;
/** What runtimes hide or protect unless they are told otherwise; one that is neither is within the container's reach. */
const hidden =
  "/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/sched_debug /proc/scsi /sys/firmware".split(
    " ",
  );
const guarded = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split(" ");
const kernelMounts = new Set(["proc", "sysfs", "bind"]);

/** What a config.json lets a container do, but for system calls and the use of devices: see Seccomp and DeviceRule. */
export function configPrivileges(config: JsonObject): readonly Privilege[] {
  const process = objectOf(config.process);
  const linux = objectOf(config.linux);
  const mounts = objectsOf(config.mounts);
  return [
    ...rootPrivilege(process, linux),
    ...capabilityPrivileges(process),
    ...(process.noNewPrivileges === true
      ? []
      : [{ kind: "new-privileges", does: "may gain privileges by set-id programs", what: "" } as const]),
    ...sharedNamespaces(linux),
    ...objectsOf(linux.devices).map(deviceNode),
    ...mounts.flatMap(mountPrivileges),
    ...(linux.rootfsPropagation === "shared" || linux.rootfsPropagation === "rshared"
      ? [{ kind: "host-path", does: propagates, what: "/" } as const]
      : []),
    ...kernelPaths(linux, mounts),
  ];
}

/** In a user namespace of its own it is root only if the host's root is mapped into it, and it is that, or may become it. */
function rootPrivilege(process: JsonObject, linux: JsonObject): readonly Privilege[] {
  const uid = uidOf(process);
  const mapped = objectsOf(linux.uidMappings).filter(({ hostID, size }) => hostID === 0 && size !== 0);
  const own = objectsOf(linux.namespaces).some(({ type, path }) => type === "user" && !path);
  const root = own ? mapped.some(({ containerID }) => uid === 0 || uid === containerID) : uid === 0;
  return root ? [{ kind: "root", does: "runs as root", what: "" }] : [];
}

/**
 * root has what its sets name; another user only what is ambient, and may gain the rest by a program's capabilities.
 * https://man7.org/linux/man-pages/man7/capabilities.7.html
 */
function capabilityPrivileges(process: JsonObject): readonly Privilege[] {
  const sets = objectOf(process.capabilities);
  const namesIn = (...names: readonly string[]): ReadonlySet<string> =>
    new Set(names.flatMap((name) => (Array.isArray(sets[name]) ? sets[name].map(String) : [])));
  const byExecution = process.noNewPrivileges === true ? [] : ["bounding"];
  const has = namesIn("ambient", ...(uidOf(process) === 0 ? ["permitted", "effective", ...byExecution] : []));
  const any = [...namesIn(...Object.keys(sets))].sort();
  return [
    ...any.filter((name) => has.has(name)).map((what) => capability("has capability", what)),
    ...any.filter((name) => !has.has(name)).map((what) => capability("may gain capability", what)),
  ];
}

function capability(does: string, what: string): Privilege {
  return { kind: "capability", does, what };
}

function sharedNamespaces(linux: JsonObject): readonly Privilege[] {
  const own = objectsOf(linux.namespaces);
  return namespaces.flatMap((type): readonly Privilege[] => {
    const found = own.find((namespace) => namespace.type === type);
    if (found === undefined) return [{ kind: "namespace", does: "shares with the host the namespace", what: type }];
    return found.path ? [{ kind: "namespace", does: "joins the namespace", what: `${type} ${found.path}` }] : [];
  });
}

/** The path of a node says nothing: its numbers tell which device it is. */
function deviceNode({ path, type, major, minor }: JsonObject): Privilege {
  const numbers = major === undefined ? "" : ` ${major}:${minor}`;
  return { kind: "device", does: "has the device node", what: `${path} ${type}${numbers}` };
}

function kernelPaths(linux: JsonObject, mounts: readonly JsonObject[]): readonly Privilege[] {
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value.map(pathOf) : []);
  const [masked, readonly] = [list(linux.maskedPaths), list(linux.readonlyPaths)];
  const there = mounts.filter(({ type }) => kernelMounts.has(type)).map(({ destination }) => pathOf(destination));
  const open = (path: string): boolean => !masked.includes(path) && there.some((place) => path.startsWith(`${place}/`));
  return [
    ...hidden.filter(open).map((what): Privilege => ({ kind: "kernel-path", does: "sees", what })),
    ...guarded
      .filter((path) => open(path) && !readonly.includes(path))
      .map((what): Privilege => ({ kind: "kernel-path", does: "may write to", what })),
  ];
}

function uidOf(process: JsonObject): number {
  return Number(objectOf(process.user).uid ?? 0);
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
