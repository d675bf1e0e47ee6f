import { KeelsonError, printable } from "../errors.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { type HealthCheck, parseHealthcheck } from "./health.ts";
import { isObject } from "./json.ts";
import { type DocumentLimits, standardLimits } from "./limits.ts";
import { parseDocument } from "./manifest.ts";
import type { Platform } from "./platform.ts";

/**
 * What an image's configuration says: https://github.com/opencontainers/image-spec/blob/main/config.md
 * `volumes` are sorted; `diffIds` lowest layer first; `created` is RFC 3339 text.
 */
export interface ImageConfig {
  readonly platform: Platform;
  readonly created?: string;
  readonly diffIds: readonly Digest[];
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly user: string;
  readonly workingDirectory: string;
  readonly stopSignal?: string;
  readonly volumes: readonly string[];
  readonly healthcheck?: HealthCheck;
}

/** Reads an image configuration whose manifest has `layerCount` layers. Throws E_MANIFEST, E_LIMIT. */
export function parseImageConfig(
  bytes: Uint8Array,
  layerCount: number,
  name: string,
  limits: DocumentLimits = standardLimits,
): ImageConfig {
  const document = parseDocument(bytes, name, limits);
  const rootfs = document.rootfs;
  if (!isObject(rootfs) || rootfs.type !== "layers") throw bad(name, "rootfs.type is not layers");
  if (!Array.isArray(rootfs.diff_ids) || rootfs.diff_ids.length !== layerCount) {
    throw bad(name, `rootfs.diff_ids does not have one entry for each of the ${layerCount} layers`);
  }
  const { os, architecture, variant, created } = document;
  if (typeof os !== "string" || typeof architecture !== "string") throw bad(name, "os or architecture is missing");
  const config = isObject(document.config) ? document.config : {};
  const text = (key: string): string => {
    const value = config[key] ?? "";
    if (typeof value !== "string") throw bad(name, `config.${key} is not a string`);
    return value;
  };
  const list = (key: string): readonly string[] => {
    const value = config[key] ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    throw bad(name, `config.${key} is not a list of strings`);
  };
  const stopSignal = text("StopSignal");
  const healthcheck = parseHealthcheck(config.Healthcheck);
  return {
    platform: typeof variant === "string" && variant !== "" ? { os, architecture, variant } : { os, architecture },
    ...(typeof created === "string" ? { created } : {}),
    diffIds: rootfs.diff_ids.map(parseDigest),
    labels: stringMap(config.Labels),
    entrypoint: list("Entrypoint"),
    command: list("Cmd"),
    environment: list("Env"),
    user: text("User"),
    workingDirectory: text("WorkingDir"),
    ...(stopSignal === "" ? {} : { stopSignal }),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    volumes: isObject(config.Volumes) ? Object.keys(config.Volumes).sort() : [],
  };
}

function stringMap(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry) => typeof entry[1] === "string"));
}

function bad(name: string, why: string): KeelsonError {
  return new KeelsonError("E_MANIFEST", `${printable(name)}: ${why}`, {
    hint: "The image's configuration does not follow the OCI image specification; build and push the image again.",
  });
}
