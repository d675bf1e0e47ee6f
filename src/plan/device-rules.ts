import { isObject, type JsonObject } from "../image/json.ts";
import type { Privilege } from "./privilege.ts";

/** One line of the list by which a cgroup lets its processes use devices or not; the last that fits decides. */
export interface DeviceRule {
  readonly allow: boolean;
  /** Both kinds of devices when it is absent; so with the numbers. */
  readonly type?: "b" | "c";
  readonly major?: number;
  readonly minor?: number;
  /** Of `r`, `w` and `m`, which is to make the node. */
  readonly access: string;
}

const uses = ["r", "w", "m"] as const;
type Use = (typeof uses)[number];
/** A number that no rule names. */
const another = -1;

/**
 * The rules of a config.json. Where there are none, runc lets a container use no more than the usual harmless devices;
 * crun leaves it every device.
 * https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#allowed-device-list
 */
export function deviceRulesOf(config: JsonObject, runtime: string): readonly DeviceRule[] {
  const linux: JsonObject = isObject(config.linux) ? config.linux : {};
  const list: unknown = isObject(linux.resources) ? linux.resources.devices : undefined;
  if (Array.isArray(list) && list.length > 0) return list.filter(isObject).map(deviceRuleOf);
  return runtime.endsWith("crun") ? [{ allow: true, access: "rwm" }] : [];
}

/** What the rules let a container use. */
export function devicePrivileges(rules: readonly DeviceRule[]): readonly Privilege[] {
  return widenedDevices([], rules);
}

/** The rules of `to` by which a device can be used in a way that `from` does not let it, and those ways. */
export function widenedDevices(from: readonly DeviceRule[], to: readonly DeviceRule[]): readonly Privilege[] {
  const more = new Map<DeviceRule, Set<Use>>();
  for (const device of devicesToTell([...from, ...to])) {
    for (const use of uses) {
      const rule = deciding(to, device, use);
      if (rule?.allow !== true || deciding(from, device, use)?.allow === true) continue;
      more.set(rule, (more.get(rule) ?? new Set<Use>()).add(use));
    }
  }
  return to.flatMap((rule) => privilegesOf(rule, more.get(rule)));
}

interface Device {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
}

function deciding(rules: readonly DeviceRule[], device: Device, use: Use): DeviceRule | undefined {
  return rules.findLast(
    ({ type = device.type, major = device.major, minor = device.minor, access }) =>
      type === device.type && major === device.major && minor === device.minor && access.includes(use),
  );
}

/** One device of each kind that the rules tell apart. */
function devicesToTell(rules: readonly DeviceRule[]): readonly Device[] {
  const majors = rules.flatMap(({ major, minor }) => (minor === undefined && major !== undefined ? [major] : []));
  const minors = rules.flatMap(({ major, minor }) => (major === undefined && minor !== undefined ? [minor] : []));
  const numbers = [
    ...rules.flatMap(({ major, minor }) =>
      major === undefined || minor === undefined ? [] : [[major, minor] as const],
    ),
    ...[another, ...majors].flatMap((major) => [another, ...minors].map((minor) => [major, minor] as const)),
  ];
  return (["b", "c"] as const).flatMap((type) => numbers.map(([major, minor]) => ({ type, major, minor })));
}

/** A rule for all types is one for all devices and uses, whatever else stands in it: so the kernel and runc have it. */
function deviceRuleOf({ allow, type, major, minor, access }: JsonObject): DeviceRule {
  const all = { allow: allow === true, access: "rwm" };
  if (type !== "b" && type !== "c" && type !== "u") return all;
  return {
    ...all,
    type: type === "b" ? "b" : "c",
    ...(isNumber(major) ? { major } : {}),
    ...(isNumber(minor) ? { minor } : {}),
    ...(typeof access === "string" && access !== "" ? { access } : {}),
  };
}

/** -1 is written for all, too. */
function isNumber(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function privilegesOf({ type, major, minor }: DeviceRule, ways: ReadonlySet<Use> | undefined): readonly Privilege[] {
  if (ways === undefined) return [];
  const access = uses.filter((use) => ways.has(use)).join("");
  return [
    { kind: "device", does: "may use the devices", what: `${type ?? "a"} ${major ?? "*"}:${minor ?? "*"} ${access}` },
  ];
}
