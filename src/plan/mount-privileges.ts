import { posix } from "node:path";
import type { JsonObject } from "../image/json.ts";
import { isBind } from "./config-compat.ts";
import type { Privilege } from "./privilege.ts";

/** How it is said of a path of the host. */
export const writes = "may write to the host's";
export const reads = "may read the host's";
export const propagates = "gives the host what it mounts below";

/** Types of file systems that hold nothing of the host's. */
const harmlessTypes = new Set(["tmpfs", "devpts", "mqueue"]);
/** The kernel's own, and where runtimes hide and protect what is in them. */
const kernelTypes: ReadonlyMap<unknown, string | undefined> = new Map([
  ["proc", "/proc"],
  ["sysfs", "/sys"],
  ["cgroup", undefined],
  ["cgroup2", undefined],
]);

/** What a mount of a config.json lets a container reach of its host. */
export function mountPrivileges(mount: JsonObject): readonly Privilege[] {
  const { source, type = "tmpfs" } = mount;
  const options: readonly string[] = Array.isArray(mount.options) ? mount.options.map(String) : [];
  const readOnly = isReadOnly(options);
  if (isBind(mount)) {
    const what = pathOf(source);
    const shared = options.some((option) => option === "shared" || option === "rshared");
    return [hostPath(readOnly ? reads : writes, what), ...(shared ? [hostPath(propagates, what)] : [])];
  }
  if (kernelTypes.has(type)) return kernelMount(String(type), pathOf(mount.destination), readOnly);
  if (harmlessTypes.has(type)) return [];
  // lowerdir=/etc is as much a path of the host as a source is.
  const what = [String(source), ...options.filter((option) => option.includes("="))].join(" ");
  return [
    hostPath(`mounts as ${type}`, what),
    ...(readOnly ? [] : [hostPath(`may write to what it mounts as ${type}`, what)]),
  ];
}

/** A path as it is compared: without `..`, `.`, and slashes that are too many. */
export function pathOf(path: unknown): string {
  return posix.normalize(String(path ?? "")).replace(/(?<=.)\/$/, "");
}

/** What is hidden or protected is so in the usual place only. */
function kernelMount(type: string, destination: string, readOnly: boolean): readonly Privilege[] {
  const usual = kernelTypes.get(type);
  if (usual === destination && (readOnly || type === "proc")) return [];
  if (usual === undefined && readOnly) return [];
  return [{ kind: "kernel-path", does: readOnly ? "sees" : "may write to", what: destination }];
}

/** Of options that contradict each other the last one holds. */
function isReadOnly(options: readonly string[]): boolean {
  return /^r?ro$/.test(options.findLast((option) => /^r?r[ow]$/.test(option)) ?? "");
}

function hostPath(does: string, what: string): Privilege {
  return { kind: "host-path", does, what };
}
