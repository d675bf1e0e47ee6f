import { KeelsonError, printable } from "../errors.ts";
import type { Json } from "../image/json.ts";
import type { ContractManifest } from "./manifest.ts";

/**
 * What a variable stands for, and whose words they are: `set` by the person who installs, a `default` of the image, or
 * provided by `keelson`. Only what was set is foreign to the image's templates and is escaped there.
 */
export interface Value {
  readonly value: Json;
  readonly origin: "set" | "default" | "keelson";
}

export type Values = ReadonlyMap<string, Value>;

/** Everything keelson itself provides to templates. */
export interface HostValues {
  readonly name: string;
  readonly destdir: string;
  readonly runtime: string;
  /** Path of the keelson executable: variables KEELSON and, for images written for the original, ATOMIC. */
  readonly keelson: string;
  readonly imageName: string;
  readonly imageId: string;
  readonly hostUid: number;
  readonly hostGid: number;
  readonly runDirectory: string;
  readonly confDirectory: string;
  readonly stateDirectory: string;
  /** `CAP_CHOWN` and so on, up to the host's cap_last_cap. */
  readonly capabilities: readonly string[];
  readonly uuid: string;
  /** What stands behind the @ of the name; empty without one. */
  readonly instance: string;
  readonly execStart: string;
  readonly execStop: string;
  readonly execStartPre: string;
  readonly execStopPost: string;
  readonly pidFile: string;
}

/** Variables that keelson sets whatever anybody else says. */
export const forcedVariables: readonly string[] = [
  "NAME",
  "DESTDIR",
  "EXEC_START",
  "EXEC_STOP",
  "EXEC_STARTPRE",
  "EXEC_STOPPOST",
  "HOST_UID",
  "HOST_GID",
  "IMAGE_NAME",
  "IMAGE_ID",
];

/** Variables that keelson provides where --set does not; an image's default never replaces them. */
export const builtInVariables: readonly string[] = [
  "RUN_DIRECTORY",
  "CONF_DIRECTORY",
  "STATE_DIRECTORY",
  "PIDFILE",
  "ALL_PROCESS_CAPABILITIES",
  "RUNTIME",
  "KEELSON",
  "ATOMIC",
];

/** Variables that keelson provides where neither --set nor the image does. */
export const weakVariables: readonly string[] = ["UUID", "INSTANCE"];

/** Reads `--set NAME=VALUE` assignments; of one name the last counts. Throws E_SET. */
export function parseSet(assignments: readonly string[]): ReadonlyMap<string, string> {
  const set = new Map<string, string>();
  for (const assignment of assignments) {
    const equals = assignment.indexOf("=");
    const name = equals < 0 ? assignment : assignment.slice(0, equals);
    if (equals < 0 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      // What follows the first "=" may be a secret and is not repeated.
      throw new KeelsonError("E_SET", `Invalid value '${printable(name)}'. Expected form NAME=VALUE`, {
        hint: "Write --set NAME=VALUE; a name is made of letters, digits and _.",
      });
    }
    if (forcedVariables.includes(name)) {
      throw new KeelsonError("E_SET", `${name} is set by keelson and cannot be given with --set`, {
        hint: name === "NAME" ? "Use --name to name the container." : `Leave out --set ${name}=...`,
      });
    }
    set.set(name, assignment.slice(equals + 1));
  }
  return set;
}

/** `before` with what is set and without what is unset. Throws E_SET. */
export function changeSet(
  before: Readonly<Record<string, string>>,
  set: readonly string[],
  unset: readonly string[],
): ReadonlyMap<string, string> {
  const values = new Map([...Object.entries(before), ...parseSet(set)]);
  for (const name of unset) {
    if (forcedVariables.includes(name))
      throw new KeelsonError("E_SET", `${name} is set by keelson`, { hint: "Leave it out." });
    values.delete(name);
  }
  return values;
}

/**
 * The values that an image's templates are rendered with. A name's value comes from the first of: forced by keelson, --set,
 * built into keelson, the image's defaults, and for UUID and INSTANCE those of keelson.
 */
export function planValues(manifest: ContractManifest, set: ReadonlyMap<string, string>, host: HostValues): Values {
  const values = new Map<string, Value>([
    ["UUID", { value: host.uuid, origin: "keelson" }],
    ["INSTANCE", { value: host.instance, origin: "keelson" }],
  ]);
  for (const [name, value] of manifest.defaultValues) values.set(name, { value, origin: "default" });
  for (const [name, value] of builtIn(host)) values.set(name, { value, origin: "keelson" });
  for (const [name, value] of set) values.set(name, { value, origin: "set" });
  for (const [name, value] of forced(host)) values.set(name, { value, origin: "keelson" });
  return values;
}

function builtIn(host: HostValues): readonly (readonly [string, Json])[] {
  return [
    ["RUN_DIRECTORY", host.runDirectory],
    ["CONF_DIRECTORY", host.confDirectory],
    ["STATE_DIRECTORY", host.stateDirectory],
    ["PIDFILE", host.pidFile],
    ["ALL_PROCESS_CAPABILITIES", host.capabilities],
    ["RUNTIME", host.runtime],
    ["KEELSON", host.keelson],
    ["ATOMIC", host.keelson],
  ];
}

function forced(host: HostValues): readonly (readonly [string, Json])[] {
  return [
    ["NAME", host.name],
    ["DESTDIR", host.destdir],
    ["EXEC_START", host.execStart],
    ["EXEC_STOP", host.execStop],
    ["EXEC_STARTPRE", host.execStartPre],
    ["EXEC_STOPPOST", host.execStopPost],
    ["HOST_UID", host.hostUid],
    ["HOST_GID", host.hostGid],
    ["IMAGE_NAME", host.imageName],
    ["IMAGE_ID", host.imageId],
  ];
}
