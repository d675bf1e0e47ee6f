import { KeelsonError, printable } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { type ConfigHost, isBind, modernise } from "./config-compat.ts";
import { configureUser, type UserIdMaps } from "./config-user.ts";
import { applyOverrides, type Override } from "./overrides.ts";

export interface PlannedConfig {
  /** What stands in config.json. */
  readonly text: string;
  /** The same without the overrides. */
  readonly imageText: string;
  readonly warnings: readonly string[];
  readonly uid: number;
  readonly gid: number;
  /** Sources of bind mounts, in order. */
  readonly binds: readonly BindMount[];
}

export interface BindMount {
  readonly source: string;
  readonly destination: string;
}

export interface ConfigRequest {
  /** How messages call it: `/exports/config.json.template`. */
  readonly name: string;
  /** `linux.cgroupsPath`; undefined leaves what the image says. */
  readonly cgroupsPath?: string;
  /** A root filesystem in place of the image's own. */
  readonly rootfs?: string;
  readonly overrides: readonly Override[];
  /** Variables that the runtime does not set by itself. */
  readonly environment: readonly string[];
  /** Of a user who starts it; absent where root does. */
  readonly user?: UserIdMaps;
  /** Whether the root may be one that can be written to. */
  readonly writable: boolean;
}

/**
 * Reads a rendered config.json, brings it up to date, and refuses what keelson does not run: a root that can be written
 * to or is not `rootfs`, hooks (commands of the image on the host), a terminal. Throws E_CONFIG.
 */
export function planConfig(rendered: string, request: ConfigRequest, host: ConfigHost): PlannedConfig {
  const config = parse(rendered, request.name);
  const root: JsonObject = isObject(config.root) ? config.root : {};
  if (root.readonly !== true && !request.writable) {
    throw refused(request.name, "Invalid configuration file. Only readonly images are supported (root.readonly)");
  }
  if (root.path !== "rootfs")
    throw refused(request.name, "Invalid configuration file. Path must be 'rootfs' (root.path)");
  if (isObject(config.hooks) && Object.values(config.hooks).some((hooks) => Array.isArray(hooks) && hooks.length > 0)) {
    throw refused(request.name, "it has hooks, which would run on the host");
  }
  const process: unknown = config.process;
  if (!isObject(process) || !Array.isArray(process.args) || process.args.length === 0) {
    throw refused(request.name, "process.args names no command");
  }
  if (process.terminal === true) throw refused(request.name, "process.terminal is true; a service has none");
  const adapt = (): readonly string[] => [
    ...modernise(config, host),
    ...(request.user === undefined ? [] : configureUser(config, request.user)),
  ];
  const warnings = adapt();
  if (request.rootfs !== undefined) config.root = { ...root, path: request.rootfs };
  if (request.cgroupsPath !== undefined) {
    config.linux = { ...(isObject(config.linux) ? config.linux : {}), cgroupsPath: request.cgroupsPath };
  }
  if (request.environment.length > 0) {
    const env: unknown[] = Array.isArray(process.env) ? process.env : [];
    process.env = [...env, ...request.environment];
  }
  const user: JsonObject = isObject(process.user) ? process.user : {};
  const imageText = textOf(config);
  applyOverrides(config, request.overrides);
  // What an administrator adds has to run on this host, too.
  const more = adapt();
  return {
    text: textOf(config),
    imageText,
    warnings: [...warnings, ...more],
    uid: Number(user.uid ?? 0),
    gid: Number(user.gid ?? 0),
    binds: bindsOf(config),
  };
}

function textOf(config: JsonObject): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function bindsOf(config: JsonObject): readonly BindMount[] {
  const mounts: unknown[] = Array.isArray(config.mounts) ? config.mounts : [];
  return mounts
    .filter(isObject)
    .filter(isBind)
    .map((mount) => ({ source: String(mount.source), destination: String(mount.destination) }));
}

function parse(rendered: string, name: string): JsonObject {
  let config: unknown;
  try {
    config = JSON.parse(rendered);
  } catch (error) {
    throw refused(name, `it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(config)) throw refused(name, "it is not a JSON object");
  return config;
}

function refused(name: string, why: string): KeelsonError {
  return new KeelsonError("E_CONFIG", `${name}: ${printable(why)}`, {
    hint: "The image's config.json is not one that keelson runs; mend it and build the image again.",
  });
}
