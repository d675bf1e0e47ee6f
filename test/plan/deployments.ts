import type { JsonObject } from "../../src/image/json.ts";
import type { Deployment } from "../../src/plan/deployment.ts";
import { comparePrivileges, privilegeLines } from "../../src/plan/privileges.ts";

const digest = `sha256:${"a".repeat(64)}` as const;

/** A config.json that lets its container do nothing that could be called a privilege. */
export const confined: JsonObject = {
  ociVersion: "1.0.2",
  process: { args: ["/bin/x"], user: { uid: 1000, gid: 1000 }, noNewPrivileges: true },
  root: { path: "rootfs", readonly: true },
  linux: {
    namespaces: ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"].map((type) => ({ type })),
    uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
    seccomp: { defaultAction: "SCMP_ACT_ERRNO" },
  },
};

/** Deployment 1 of etcd, with this config.json and nothing on the host but a unit. */
export function deploymentOf(config: JsonObject = confined, changed: Partial<Deployment> = {}): Deployment {
  const path = "/etc/systemd/system/etcd.service";
  return {
    schema: 1,
    name: "etcd",
    generation: 1,
    created: "2026-01-01T00:00:00Z",
    image: { reference: "host/etcd:latest", digest, id: digest, commit: "c", platform: "linux/amd64" },
    runtime: "/usr/sbin/runc",
    set: {},
    values: {},
    service: { unit: "etcd.service", path, text: "[Service]\n", enabled: true, links: [] },
    config: JSON.stringify(config),
    hostFiles: [],
    madeDirectories: [],
    hostActions: [],
    warnings: [],
    ...changed,
  };
}

/** `confined` with another process, linux, or mounts; what is undefined is left out. */
export function confinedWith(changed: {
  readonly process?: JsonObject;
  readonly linux?: JsonObject;
  readonly mounts?: readonly JsonObject[];
}): JsonObject {
  const { process = {}, linux = {}, mounts } = changed;
  const config = {
    ...confined,
    process: { ...confined.process, ...process },
    linux: { ...confined.linux, ...linux },
    ...(mounts === undefined ? {} : { mounts }),
  };
  // As it is written.
  return JSON.parse(JSON.stringify(config));
}

export const withLinux = (linux: JsonObject): JsonObject => confinedWith({ linux });
export const withProcess = (process: JsonObject): JsonObject => confinedWith({ process });
export const withMounts = (...mounts: readonly JsonObject[]): JsonObject => confinedWith({ mounts });
/** All namespaces of its own but these. */
export const withoutNamespaces = (...types: readonly string[]): JsonObject =>
  withLinux({ namespaces: confined.linux.namespaces.filter(({ type }: JsonObject) => !types.includes(type)) });
/** A namespace at this path in place of its own processes. */
export const joining = (path: string): JsonObject =>
  withLinux({ namespaces: [...confined.linux.namespaces.slice(1), { type: "pid", path }] });
/** CAP_CHOWN in these sets. */
export const withSets = (...names: readonly string[]): JsonObject =>
  withProcess({ capabilities: Object.fromEntries(names.map((name) => [name, ["CAP_CHOWN"]])) });

export const bind = (source: string, ...options: readonly string[]): JsonObject => ({
  destination: "/x",
  type: "bind",
  source,
  options: ["rbind", ...options],
});
export const mounted = (type: string, source: string, ...options: readonly string[]): JsonObject =>
  withMounts({ destination: `/${type}`, type, source, options });

/** What a container of the second may do that one of the first may not, and the other way round. */
export function compared(
  from: Deployment,
  to: Deployment,
): { readonly more: readonly string[]; readonly less: readonly string[] } {
  const { widened, narrowed } = comparePrivileges(from, to);
  return { more: privilegeLines(widened), less: privilegeLines(narrowed) };
}
