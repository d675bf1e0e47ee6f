import { isObject, type JsonObject } from "../image/json.ts";

/** What of the host decides whether an old config.json still runs. */
export interface ConfigHost {
  readonly selinux: boolean;
  readonly apparmor: boolean;
  /** Names such as CAP_CHOWN that the kernel knows. */
  readonly capabilities: readonly string[];
}

/** Options of a file system, which a bind mount does not take; runc refuses them from 1.2 on. */
const fileSystemOption = /^(?:mode|uid|gid|size|nr_inodes|mpol)=/;
const capabilitySets = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const;

/**
 * Rewrites `config` in place so that what was written for an old runtime or another host still starts; a sentence for
 * each thing changed. https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function modernise(config: JsonObject, host: ConfigHost): readonly string[] {
  const notes: string[] = [];
  if (typeof config.ociVersion !== "string" || config.ociVersion.startsWith("0.")) config.ociVersion = "1.0.2";
  for (const mount of Array.isArray(config.mounts) ? config.mounts.filter(isObject) : []) moderniseMount(mount, notes);
  if (isObject(config.process)) moderniseProcess(config, config.process, host, notes);
  if (isObject(config.linux)) moderniseLinux(config.linux, host, notes);
  return notes;
}

/** A mount of another type that is really a bind mount. */
export function isBind(mount: JsonObject): boolean {
  const options: unknown = mount.options;
  return mount.type === "bind" || (Array.isArray(options) && (options.includes("bind") || options.includes("rbind")));
}

function moderniseMount(mount: JsonObject, notes: string[]): void {
  const options: unknown[] = Array.isArray(mount.options) ? mount.options : [];
  if (mount.type === "rbind") {
    mount.type = "bind";
    if (!options.includes("rbind")) options.push("rbind");
    mount.options = options;
    notes.push(`mount ${mount.destination}: type rbind is written as bind with the option rbind`);
  }
  if (!isBind(mount)) return;
  const dropped = options.filter((option) => fileSystemOption.test(String(option)));
  if (dropped.length === 0) return;
  mount.options = options.filter((option) => !dropped.includes(option));
  notes.push(`mount ${mount.destination}: a bind mount takes no ${dropped.join(", ")}; left out`);
}

function moderniseProcess(config: JsonObject, process: JsonObject, host: ConfigHost, notes: string[]): void {
  const old = isObject(config.linux) ? config.linux.capabilities : undefined;
  if (Array.isArray(old)) {
    if (process.capabilities === undefined) {
      process.capabilities = old;
      notes.push("linux.capabilities is written as process.capabilities");
    }
    delete config.linux.capabilities;
  }
  if (Array.isArray(process.capabilities)) {
    const list = process.capabilities;
    process.capabilities = Object.fromEntries(
      capabilitySets.filter((set) => set !== "ambient").map((set) => [set, [...list]]),
    );
    notes.push("process.capabilities was one list; it is now given for each set");
  }
  if (isObject(process.capabilities)) dropUnknownCapabilities(process.capabilities, host, notes);
  if (!host.selinux && process.selinuxLabel) {
    delete process.selinuxLabel;
    notes.push("process.selinuxLabel is left out: this host has no SELinux");
  }
  if (!host.apparmor && process.apparmorProfile) {
    delete process.apparmorProfile;
    notes.push("process.apparmorProfile is left out: this host has no AppArmor");
  }
}

function dropUnknownCapabilities(sets: JsonObject, host: ConfigHost, notes: string[]): void {
  const unknown = new Set<string>();
  for (const set of capabilitySets) {
    const list: unknown = sets[set];
    if (!Array.isArray(list)) continue;
    sets[set] = list.filter((name) => host.capabilities.includes(name) || !unknown.add(String(name)));
  }
  if (unknown.size > 0)
    notes.push(`capabilities that this kernel does not know are left out: ${[...unknown].join(", ")}`);
}

function moderniseLinux(linux: JsonObject, host: ConfigHost, notes: string[]): void {
  if (!host.selinux && linux.mountLabel) {
    delete linux.mountLabel;
    notes.push("linux.mountLabel is left out: this host has no SELinux");
  }
  if (linux.selinuxProcessLabel !== undefined) {
    delete linux.selinuxProcessLabel;
    notes.push("linux.selinuxProcessLabel is no longer part of the specification; left out");
  }
}
