import { printable } from "../errors.ts";
import type { HealthCheck } from "../image/health.ts";
import { isObject, type Json, type JsonObject } from "../image/json.ts";
import { parseHealth } from "./health.ts";
import { isNormalPath } from "./host-path.ts";
import { type Phase, parsePhase } from "./phase.ts";
import { parseReadiness, type Readiness } from "./readiness.ts";
import { parseRelations, type Relations } from "./relations.ts";

/** The keys of /exports/manifest.json; those the image leaves out have their defaults. */
export interface ContractManifest {
  readonly version?: string;
  /** Never null, however deep. */
  readonly defaultValues: ReadonlyMap<string, Json>;
  /** Absolute path below hostfs to a string template of the path on the host. Text, not latin1. */
  readonly renameFiles: ReadonlyMap<string, string>;
  /** Paths on the host, after renaming, of files whose content is a string template. */
  readonly installedFilesTemplate: readonly string[];
  readonly noContainerService: boolean;
  readonly useLinks: boolean;
  /** How to tell that the container is well. */
  readonly health?: HealthCheck;
  /** Its place among the services of a host. */
  readonly relations?: Relations;
  /** How to tell that it is ready. */
  readonly ready?: Readiness;
  /** When at boot it starts. */
  readonly phase?: Phase;
}

/** Nesting that a default value may have. */
const depthLimit = 64;

/**
 * Reads manifest.json; undefined text is an image that brings none. Each defect is added to `problems` as a sentence that
 * names the key, and the key then has its default.
 */
export function parseContractManifest(text: string | undefined, problems: string[]): ContractManifest {
  const document = text === undefined ? {} : parseDocument(text, problems);
  const problem = (why: string): void => {
    problems.push(`/exports/manifest.json: ${why}`);
  };
  const boolean = (key: string, absent: boolean): boolean => {
    const value = document[key] ?? absent;
    if (typeof value === "boolean") return value;
    problem(`${key} is neither true nor false`);
    return absent;
  };
  const version = document.version;
  if (version !== undefined && typeof version !== "string" && typeof version !== "number") {
    problem("version is not a string");
  }
  const health = parseHealth(document.health, problem);
  const relations = parseRelations(document, problem);
  const ready = parseReadiness(document.ready, problem);
  const phase = parsePhase(document.phase, problem);
  return {
    ...(typeof version === "string" || typeof version === "number" ? { version: String(version) } : {}),
    defaultValues: defaultValues(document.defaultValues, problem),
    renameFiles: renameFiles(document.renameFiles, problem),
    installedFilesTemplate: pathList(document.installedFilesTemplate, problem),
    noContainerService: boolean("noContainerService", false),
    useLinks: boolean("useLinks", true),
    ...(health === undefined ? {} : { health }),
    ...(relations === undefined ? {} : { relations }),
    ...(ready === undefined ? {} : { ready }),
    ...(phase === undefined ? {} : { phase }),
  };
}

function parseDocument(text: string, problems: string[]): JsonObject {
  try {
    const document: unknown = JSON.parse(text);
    if (isObject(document)) return document;
    problems.push("Invalid manifest.json: /exports/manifest.json is not a JSON object");
  } catch (error) {
    problems.push(
      `Invalid manifest.json: /exports/manifest.json is not JSON (${printable(error instanceof Error ? error.message : String(error))})`,
    );
  }
  return {};
}

function defaultValues(value: unknown, problem: (why: string) => void): ReadonlyMap<string, Json> {
  const values = new Map<string, Json>();
  for (const [name, json] of entriesOf(value, "defaultValues", problem)) {
    const why = defectOf(json, depthLimit);
    if (why === undefined) values.set(name, json as Json);
    else problem(`defaultValues.${printable(name)} ${why}`);
  }
  return values;
}

function defectOf(json: unknown, depth: number): string | undefined {
  if (depth === 0) return `is nested more than ${depthLimit} deep`;
  if (json === null) return "is null or holds null";
  if (typeof json !== "object") return undefined;
  for (const item of Object.values(json)) {
    const why = defectOf(item, depth - 1);
    if (why !== undefined) return why;
  }
  return undefined;
}

function renameFiles(value: unknown, problem: (why: string) => void): ReadonlyMap<string, string> {
  const renames = new Map<string, string>();
  for (const [path, template] of entriesOf(value, "renameFiles", problem)) {
    if (!isNormalPath(path)) problem(`renameFiles: ${printable(path)} is not an absolute path without . and ..`);
    else if (typeof template !== "string") problem(`renameFiles.${printable(path)} is not a string`);
    else renames.set(path, template);
  }
  return renames;
}

function pathList(value: unknown, problem: (why: string) => void): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((path) => typeof path === "string")) return value;
  problem("installedFilesTemplate is not a list of strings");
  return [];
}

function entriesOf(
  value: unknown,
  key: string,
  problem: (why: string) => void,
): readonly (readonly [string, unknown])[] {
  if (value === undefined) return [];
  if (isObject(value)) return Object.entries(value);
  problem(`${key} is not an object`);
  return [];
}
