import { KeelsonError } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { shownPath } from "../layer/path.ts";
import { configPrivileges } from "./config-privileges.ts";
import type { Deployment, HostAction } from "./deployment.ts";
import { type DeviceRule, devicePrivileges, deviceRulesOf, widenedDevices } from "./device-rules.ts";
import { propagates, reads, writes } from "./mount-privileges.ts";
import type { Privilege } from "./privilege.ts";
import { type Seccomp, seccompOf, seccompPrivilege, widenedSeccomp } from "./seccomp.ts";
import { madeBy, parseTmpfiles, withoutSlashes } from "./tmpfiles.ts";

/** What differs between two deployments, seen from the second. */
export interface PrivilegeChange {
  readonly widened: readonly Privilege[];
  readonly narrowed: readonly Privilege[];
}

/** Lines of tmpfiles.d(5) that make directories. */
const makesDirectory = /^[dDvqQ]/;
const noCalls: Seccomp = { kind: "none but", calls: new Map() };

/**
 * Everything by which a container reaches beyond itself, as its config.json and its part on the host have it; in an order
 * that people can read.
 */
export function privilegesOf(deployment: Deployment): readonly Privilege[] {
  const { own, devices, seccomp, onHost } = sideOf(deployment, deployment.config);
  if (deployment.service === undefined) return onHost;
  return [...own, ...devicePrivileges(devices), ...seccompPrivilege(seccomp), ...onHost];
}

/**
 * What the image of `to` may do that the one of `from` might not, and the other way round. What an administrator's
 * overrides add is not the image's doing and does not count.
 */
export function comparePrivileges(from: Deployment, to: Deployment): PrivilegeChange {
  const [before, after] = [from, to].map(ofImage) as [Side, Side];
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

/** One of two that are compared. */
interface Side {
  readonly own: readonly Privilege[];
  readonly devices: readonly DeviceRule[];
  readonly seccomp: Seccomp;
  readonly onHost: readonly Privilege[];
}

/** Without a service there is no container, whatever stands in its config.json. */
function sideOf(deployment: Deployment, text: string): Side {
  const onHost = hostPrivileges(deployment);
  if (deployment.service === undefined) return { own: [], devices: [], seccomp: noCalls, onHost };
  const parsed: unknown = JSON.parse(text);
  const config: JsonObject = isObject(parsed) ? parsed : {};
  const devices = deviceRulesOf(config, deployment.runtime);
  return { own: configPrivileges(config), devices, seccomp: seccompOf(config), onHost };
}

function ofImage(deployment: Deployment): Side {
  return sideOf(deployment, deployment.overrides?.imageConfig ?? deployment.config);
}

function widenedBy(from: Side, to: Side): readonly Privilege[] {
  const had = [...from.own, ...from.onHost];
  const more = (list: readonly Privilege[]): readonly Privilege[] =>
    list.filter((wanted) => !had.some((each) => covers(each, wanted)));
  return [
    ...more(to.own),
    ...widenedDevices(from.devices, to.devices),
    ...widenedSeccomp(from.seccomp, to.seccomp),
    ...more(to.onHost),
  ];
}

/** What includes what, of the same kind. */
const includes: readonly (readonly [string, string])[] = [
  [writes, reads],
  ["may write to", "sees"],
  ["has capability", "may gain capability"],
];

/** Of these, what lies below a path is included. */
const paths: ReadonlySet<string> = new Set([writes, reads, propagates]);

/** Whether one who had the first has the second. */
function covers(had: Privilege, wanted: Privilege): boolean {
  if (had.kind !== wanted.kind) return false;
  const does = had.does === wanted.does || includes.some(([more, less]) => had.does === more && wanted.does === less);
  if (!does || had.what === wanted.what) return does;
  return paths.has(had.does) && `${wanted.what}/`.startsWith(had.what === "/" ? "/" : `${had.what}/`);
}

/** A directory that was made for the container is its state; a line for one that was there before changes that one. */
function hostPrivileges({ hostActions, tmpfiles }: Deployment): readonly Privilege[] {
  const lines = parseTmpfiles(tmpfiles?.text ?? "", "");
  const own = madeBy(lines).filter((_, at) => tmpfiles?.made.some(({ path }) => path === tmpfiles.declared[at]));
  const harmless = lines.filter(({ type, path }) => makesDirectory.test(type) && own.includes(withoutSlashes(path)));
  const titles: Readonly<Record<HostAction["kind"], string>> = {
    command: "runs on the host:",
    "unit-relation": "reaches into other units:",
    tmpfiles: "asks systemd-tmpfiles for",
    file: "puts on the host",
  };
  return hostActions
    .filter(({ kind, text }) => kind !== "tmpfiles" || !harmless.some((line) => line.text === text))
    .map(({ kind, text }) => ({ kind: "host", does: titles[kind], what: kind === "file" ? shownPath(text) : text }));
}
