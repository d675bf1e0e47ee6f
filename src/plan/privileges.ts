import { KeelsonError } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { isBind } from "./config-compat.ts";
import type { Deployment, HostAction } from "./deployment.ts";
import type { Privilege } from "./privilege.ts";
import { type Seccomp, seccompOf, seccompPrivilege, widenedSeccomp } from "./seccomp.ts";
import { parseTmpfiles } from "./tmpfiles.ts";

/** What differs between two deployments, seen from the second. */
export interface PrivilegeChange {
  readonly widened: readonly Privilege[];
  readonly narrowed: readonly Privilege[];
}

const namespaces = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"] as const;
/** Types of file systems that hold nothing of the host's, or only what their own options say. */
const harmlessTypes = new Set(["proc", "tmpfs", "devpts", "mqueue"]);
const kernelTypes = new Set(["sysfs", "cgroup", "cgroup2"]);
/** Lines of tmpfiles.d(5) that only make directories. */
const makesDirectory = /^[dDevqQ][!+\-=~^$]*$/;
/** What runtimes hide or protect unless they are told otherwise; one that is neither is within the container's reach. */
const hidden =
  "/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/sched_debug /proc/scsi /sys/firmware".split(
    " ",
  );
const guarded = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split(" ");

/**
 * Everything by which a container reaches beyond itself, as its config.json and its part on the host have it; in an order
 * that people can read.
 */
export function privilegesOf(deployment: Deployment): readonly Privilege[] {
  const config = parse(deployment.config);
  return [...configPrivileges(config), ...seccompPrivilege(seccompOf(config)), ...hostPrivileges(deployment)];
}

/**
 * What the image of `to` may do that the one of `from` might not, and the other way round. What an administrator's
 * overrides add is not the image's doing and does not count.
 */
export function comparePrivileges(from: Deployment, to: Deployment): PrivilegeChange {
  const [before, after] = [from, to].map(ofImage) as [Sides, Sides];
  return { widened: widenedBy(before, after), narrowed: widenedBy(after, before) };
}

/** Throws E_WIDENS with the list when the image of `to` may do more than that of `from`. */
export function refuseWidening(from: Deployment, to: Deployment): void {
  const { widened } = comparePrivileges(from, to);
  if (widened.length === 0) return;
  const list = privilegeLines(widened).map((line) => `  it ${line}`);
  const title = `the new ${from.name} may do more than the one that is installed:`;
  throw new KeelsonError("E_WIDENS", [title, ...list].join("\n"), {
    hint: `keelson plan update ${from.name} shows all of the change; --allow-widen lets it pass.`,
  });
}

/** One line for each thing a container does: `has capability CAP_CHOWN, CAP_KILL`. */
export function privilegeLines(privileges: readonly Privilege[]): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const { does, what } of privileges) groups.set(does, [...(groups.get(does) ?? []), what]);
  return [...groups].map(([does, what]) => `${does} ${what.join(", ")}`.trimEnd());
}

interface Sides {
  readonly list: readonly Privilege[];
  readonly seccomp: Seccomp;
}

function ofImage(deployment: Deployment): Sides {
  const config = parse(deployment.overrides?.imageConfig ?? deployment.config);
  return { list: [...configPrivileges(config), ...hostPrivileges(deployment)], seccomp: seccompOf(config) };
}

function widenedBy(from: Sides, to: Sides): readonly Privilege[] {
  const more = to.list.filter((privilege) => !from.list.some((had) => covers(had, privilege)));
  return [...more, ...widenedSeccomp(from.seccomp, to.seccomp)];
}

const [writes, reads] = ["may write to the host's", "may read the host's"] as const;

/** Whether one who had the first has the second. */
function covers(had: Privilege, wanted: Privilege): boolean {
  if (had.kind !== wanted.kind) return false;
  if (had.kind === "host-path") {
    const within = `${wanted.what}/`.startsWith(had.what === "/" ? "/" : `${had.what}/`);
    return within && (had.does === wanted.does || (had.does === writes && wanted.does === reads));
  }
  if (had.kind === "device" && had.what === "a *:* rwm") return true;
  return had.does === wanted.does && had.what === wanted.what;
}

function configPrivileges(config: JsonObject): readonly Privilege[] {
  const process = objectOf(config.process);
  const linux = objectOf(config.linux);
  return [
    ...rootPrivilege(process, linux),
    ...capabilitiesOf(process).map((what): Privilege => ({ kind: "capability", does: "has capability", what })),
    ...(process.noNewPrivileges === true
      ? []
      : [{ kind: "new-privileges", does: "may gain privileges by set-id programs", what: "" } as const]),
    ...sharedNamespaces(linux),
    ...devicesOf(linux),
    ...objectsOf(config.mounts).flatMap(mountPrivilege),
    ...kernelPaths(linux),
  ];
}

/** A uid of 0 in a user namespace of its own is nobody on the host. */
function rootPrivilege(process: JsonObject, linux: JsonObject): readonly Privilege[] {
  const own = objectsOf(linux.namespaces).some(({ type, path }) => type === "user" && path === undefined);
  return Number(objectOf(process.user).uid ?? 0) === 0 && !own
    ? [{ kind: "root", does: "runs as root", what: "" }]
    : [];
}

function capabilitiesOf(process: JsonObject): readonly string[] {
  const sets = Object.values(objectOf(process.capabilities));
  return [...new Set(sets.flatMap((set) => (Array.isArray(set) ? set.map(String) : [])))].sort();
}

function sharedNamespaces(linux: JsonObject): readonly Privilege[] {
  const own = objectsOf(linux.namespaces);
  return namespaces.flatMap((type): readonly Privilege[] => {
    const found = own.find((namespace) => namespace.type === type);
    if (found === undefined) return [{ kind: "namespace", does: "shares with the host the namespace", what: type }];
    return found.path === undefined
      ? []
      : [{ kind: "namespace", does: "joins the namespace", what: `${type} ${found.path}` }];
  });
}

function devicesOf(linux: JsonObject): readonly Privilege[] {
  const nodes = objectsOf(linux.devices).map(
    ({ path }): Privilege => ({ kind: "device", does: "has the device node", what: String(path) }),
  );
  const rules = objectsOf(objectOf(linux.resources).devices)
    .filter(({ allow }) => allow === true)
    .map(({ type = "a", major = "*", minor = "*", access = "rwm" }): Privilege => {
      return { kind: "device", does: "may use the devices", what: `${type} ${major}:${minor} ${access}` };
    });
  return [...nodes, ...rules];
}

function mountPrivilege(mount: JsonObject): readonly Privilege[] {
  const { destination, source, type } = mount;
  const options: readonly unknown[] = Array.isArray(mount.options) ? mount.options : [];
  const propagates: readonly Privilege[] = options.some((option) => option === "shared" || option === "rshared")
    ? [{ kind: "host-path", does: "gives the host what it mounts below", what: String(source) }]
    : [];
  const does = options.includes("ro") ? reads : writes;
  if (isBind(mount)) return [{ kind: "host-path", does, what: trimmed(String(source)) }, ...propagates];
  if (kernelTypes.has(String(type))) {
    return options.includes("ro") ? [] : [{ kind: "kernel-path", does: "may write to", what: String(destination) }];
  }
  return harmlessTypes.has(String(type ?? "tmpfs"))
    ? []
    : [{ kind: "host-path", does: `mounts as ${type}`, what: String(source) }];
}

function kernelPaths(linux: JsonObject): readonly Privilege[] {
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  const [masked, readonly] = [list(linux.maskedPaths), list(linux.readonlyPaths)];
  return [
    ...hidden
      .filter((path) => !masked.includes(path))
      .map((what): Privilege => ({ kind: "kernel-path", does: "sees", what })),
    ...guarded
      .filter((path) => !readonly.includes(path) && !masked.includes(path))
      .map((what): Privilege => ({ kind: "kernel-path", does: "may write to", what })),
  ];
}

/** tmpfiles lines that only make directories are the container's state, and no reach. */
function hostPrivileges({ hostActions, tmpfiles }: Deployment): readonly Privilege[] {
  const reaching = new Set(
    parseTmpfiles(tmpfiles?.text ?? "", "")
      .filter(({ type }) => !makesDirectory.test(type))
      .map(({ text }) => text),
  );
  const titles: Readonly<Record<HostAction["kind"], string>> = {
    command: "runs on the host:",
    "unit-relation": "reaches into other units:",
    tmpfiles: "asks systemd-tmpfiles for",
    file: "puts on the host",
  };
  return hostActions
    .filter(({ kind, text }) => kind !== "tmpfiles" || reaching.has(text))
    .map(({ kind, text }) => ({ kind: "host", does: titles[kind], what: text }));
}

function trimmed(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}

function parse(config: string): JsonObject {
  return objectOf(JSON.parse(config) as unknown);
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
