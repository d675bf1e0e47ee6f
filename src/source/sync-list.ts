import { readFileSync } from "node:fs";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import type { Credentials } from "./credential-helper.ts";

/** The images of one registry that are to be copied, and how it is spoken to. */
export interface SyncRegistry {
  readonly host: string;
  /** Tags and digests by repository; none stands for every tag. */
  readonly images: ReadonlyMap<string, readonly string[]>;
  /** Which tags, by repository. */
  readonly patterns: ReadonlyMap<string, RegExp>;
  readonly tlsVerify: boolean | undefined;
  readonly credentials: Credentials | undefined;
  /** A directory of certificates for this registry alone. */
  readonly certificates: string | undefined;
}

const keys = ["images", "images-by-tag-regex", "credentials", "tls-verify", "cert-dir"];

/**
 * Reads the YAML list of `skopeo sync`. Throws E_SETTINGS for one that is not well formed or has an unknown key.
 * https://github.com/containers/skopeo/blob/main/docs/skopeo-sync.1.md#yaml-file-content-used-source-for---src-yaml
 */
export async function readSyncList(path: string): Promise<readonly SyncRegistry[]> {
  const { parseYamlTexts } = await import("../yaml.ts");
  let document: unknown;
  try {
    document = parseYamlTexts(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof Error && error.name.startsWith("YAML")) throw malformed(path, error.message, error);
    if (errnoOf(error) !== undefined) throw malformed(path, `it cannot be read (${errnoOf(error)})`, error);
    throw error;
  }
  const registries = Object.entries(mapping(document, path, "it"));
  if (registries.length === 0) throw malformed(path, "it names no registry");
  return registries.map(([host, value]) => parseRegistry(path, host, mapping(value, path, host)));
}

function parseRegistry(path: string, host: string, section: JsonObject): SyncRegistry {
  const unknown = Object.keys(section).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw malformed(path, `${host}: ${unknown} is not one of ${keys.join(", ")}`);
  const entries = (key: string): readonly (readonly [string, unknown])[] =>
    Object.entries(mapping(section[key], path, `${host}: ${key}`));
  const verify = text(section["tls-verify"], path, `${host}: tls-verify`);
  if (!["", "true", "false"].includes(verify)) throw malformed(path, `${host}: tls-verify is neither true nor false`);
  return {
    host,
    images: new Map(entries("images").map(([name, tags]) => [name, texts(tags, path, `${host}: ${name}`)])),
    patterns: new Map(
      entries("images-by-tag-regex").map(([name, pattern]) => [name, parsePattern(pattern, path, `${host}: ${name}`)]),
    ),
    tlsVerify: verify === "" ? undefined : verify === "true",
    credentials: credentialsOf(mapping(section.credentials, path, `${host}: credentials`), path, host),
    certificates: text(section["cert-dir"], path, `${host}: cert-dir`) || undefined,
  };
}

function credentialsOf(section: JsonObject, path: string, host: string): Credentials | undefined {
  const user = text(section.username, path, `${host}: username`);
  const password = text(section.password, path, `${host}: password`);
  return user === "" && password === "" ? undefined : { user, password };
}

function parsePattern(value: unknown, path: string, what: string): RegExp {
  try {
    return new RegExp(text(value, path, what));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed(path, `${what}: ${error.message}`, error);
  }
}

function mapping(value: unknown, path: string, what: string): JsonObject {
  if (value === undefined || value === null || value === "") return {};
  if (isObject(value)) return value;
  throw malformed(path, `${what} is not a mapping`);
}

function texts(value: unknown, path: string, what: string): readonly string[] {
  if (value === undefined || value === null || value === "") return [];
  if (Array.isArray(value)) return value.map((one) => text(one, path, what));
  throw malformed(path, `${what} is not a list of tags`);
}

/** "" for what is not there. */
function text(value: unknown, path: string, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw malformed(path, `${what} is not a text`);
}

function malformed(path: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${printable(path)}: ${printable(why)}`, {
    hint: "skopeo-sync(1) describes the file.",
    cause,
  });
}
