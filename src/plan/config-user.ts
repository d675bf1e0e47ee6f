import { KeelsonError } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { type IdMapping, isMapped } from "./id-maps.ts";
import { isBelow, type User } from "./places.ts";

/** The ids that a user's containers have. */
export type UserIdMaps = Pick<User, "uidMappings" | "gidMappings">;

/**
 * Rewrites `config` in place for a container that a user starts who is not root: in a user namespace with these ids, in the
 * host's network, with nothing that only root may do; a sentence for each thing that the container does without. Doing it again
 * changes nothing. Throws E_CONFIG for a process whose ids the user does not have.
 */
export function configureUser(config: JsonObject, ids: UserIdMaps): readonly string[] {
  const linux = child(config, "linux");
  const own = namespacesOf(linux).filter(({ type }) => type !== "network" && type !== "user");
  linux.namespaces = [...own, { type: "user" }];
  linux.uidMappings = ids.uidMappings.map((mapping) => ({ ...mapping }));
  linux.gidMappings = ids.gidMappings.map((mapping) => ({ ...mapping }));
  if (isObject(linux.resources)) delete linux.resources.devices;
  checkProcess(isObject(config.process) ? config.process : {}, ids);
  const notes: string[] = [];
  withoutNetworkSettings(linux, notes);
  const types = new Set(own.map(({ type }) => type));
  const mounts = Array.isArray(config.mounts) ? config.mounts.filter(isObject) : [];
  if (mounts.length > 0) config.mounts = withSys(mounts.flatMap((mount) => userMount(mount, types, ids, notes)));
  return notes;
}

/** The kernel's own settings are the host's, whose network it is. */
function withoutNetworkSettings(linux: JsonObject, notes: string[]): void {
  if (!isObject(linux.sysctl)) return;
  const names = Object.keys(linux.sysctl).filter((name) => /^net[./]/.test(name));
  for (const name of names) delete linux.sysctl[name];
  if (names.length > 0) notes.push(`linux.sysctl ${names.join(", ")} is left out: the network is the host's`);
}

const sys = {
  destination: "/sys",
  type: "bind",
  source: "/sys",
  options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
};

/** Only who has the network may mount a sysfs: all that is mounted there becomes what the host has, to be read. */
function withSys(mounts: readonly JsonObject[]): readonly JsonObject[] {
  const inSys = (mount: JsonObject): boolean => isBelow(`${String(mount.destination)}/`, "/sys");
  const first = mounts.findIndex(inSys);
  if (first < 0) return mounts;
  return mounts.flatMap((mount, index) => (index === first ? [sys] : inSys(mount) ? [] : [mount]));
}

/** A kernel's file system may be mounted by who has its namespace. */
function userMount(
  mount: JsonObject,
  namespaces: ReadonlySet<unknown>,
  ids: UserIdMaps,
  notes: string[],
): readonly JsonObject[] {
  const destination = String(mount.destination);
  if (mount.type === "proc" && !namespaces.has("pid")) {
    return [{ destination, type: "bind", source: "/proc", options: ["rbind", "nosuid", "noexec", "nodev"] }];
  }
  if (mount.type === "mqueue" && !namespaces.has("ipc")) {
    notes.push(`mount ${destination} is left out: message queues are the host's`);
    return [];
  }
  const given = Array.isArray(mount.options) ? mount.options.map(String) : [];
  const unmapped = given.filter((option) => !hasIds(option, ids));
  if (unmapped.length > 0) notes.push(`mount ${destination}: ${unmapped.join(", ")} is left out: you have no such id`);
  const options = given.filter((option) => !unmapped.includes(option));
  if (isBelow(`${destination}/`, "/dev")) return [{ ...mount, ...(given.length > 0 ? { options } : {}) }];
  const kept = options.filter((option) => option !== "dev" && option !== "suid");
  const added = ["nosuid", "nodev"].filter((option) => !kept.includes(option));
  return [{ ...mount, options: [...kept, ...added] }];
}

function hasIds(option: string, { uidMappings, gidMappings }: UserIdMaps): boolean {
  const [, kind, id] = /^(uid|gid)=([0-9]+)$/.exec(option) ?? [];
  return kind === undefined || isMapped(Number(id), kind === "uid" ? uidMappings : gidMappings);
}

function checkProcess(process: JsonObject, { uidMappings, gidMappings }: UserIdMaps): void {
  const user = isObject(process.user) ? process.user : {};
  const more: unknown[] = Array.isArray(user.additionalGids) ? user.additionalGids : [];
  demand("user", Number(user.uid ?? 0), uidMappings);
  for (const gid of [user.gid ?? 0, ...more]) demand("group", Number(gid), gidMappings);
}

function demand(what: "user" | "group", id: number, mappings: readonly IdMapping[]): void {
  if (isMapped(id, mappings)) return;
  throw new KeelsonError("E_CONFIG", `the container runs as ${what} ${id}, for which you have no id on this host`, {
    hint: "Have root give you ids in /etc/subuid and /etc/subgid, and install newuidmap (Debian's uidmap).",
  });
}

function namespacesOf(linux: JsonObject): readonly JsonObject[] {
  return Array.isArray(linux.namespaces) ? linux.namespaces.filter(isObject) : [];
}

function child(config: JsonObject, key: string): JsonObject {
  if (!isObject(config[key])) config[key] = {};
  return config[key];
}
