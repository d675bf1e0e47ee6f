import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errnoOf } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { malformed, readIfThere, type TrustPlaces } from "./trust-files.ts";

/** Where signatures of the images of one registry, namespace or repository are. */
export interface SignaturePlaces {
  /** Below it is `REPOSITORY@sha256=HEX/signature-N`. */
  readonly lookaside: Lookaside;
  /** Whether cosign's attachments in the registry count. */
  readonly attachments: boolean;
}

/** A directory of the host, or an https: or http: URL. */
export type Lookaside =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "server"; readonly url: string };

interface Section {
  readonly lookaside: Lookaside | undefined;
  readonly attachments: boolean | undefined;
}

/**
 * What registries.d says for an image, by its scopes from the narrowest on: each key from the narrowest section that has
 * it, then from `default-docker`, then `/var/lib/containers/sigstore` and no attachments. Throws E_SETTINGS.
 * containers-registries.d(5)
 */
export async function readSignaturePlaces(places: TrustPlaces, scopes: readonly string[]): Promise<SignaturePlaces> {
  const own = `${places.home}/.config/containers/registries.d`;
  const ownFiles = yamlFiles(own);
  const prefix = ownFiles === undefined ? places.prefix : "";
  const directory = ownFiles === undefined ? `${places.prefix}/etc/containers/registries.d` : own;
  const sections = await readSections(directory, ownFiles ?? yamlFiles(directory) ?? [], prefix);
  const matching = [...scopes, ""].flatMap((scope) => sections.get(scope) ?? []);
  const lookaside = matching.find((section) => section.lookaside !== undefined)?.lookaside;
  return {
    lookaside: lookaside ?? { kind: "directory", path: `${places.prefix}/var/lib/containers/sigstore` },
    attachments: matching.find((section) => section.attachments !== undefined)?.attachments ?? false,
  };
}

function yamlFiles(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".yaml"))
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw malformed(directory, `it cannot be read (${errnoOf(error)})`, error);
  }
}

/** The default is that of the scope "". One scope may stand in one file only. */
async function readSections(
  directory: string,
  names: readonly string[],
  prefix: string,
): Promise<ReadonlyMap<string, Section>> {
  const sections = new Map<string, Section>();
  for (const name of names) {
    const path = join(directory, name);
    const bytes = readIfThere(path);
    const document = bytes === undefined ? {} : await parseFile(bytes, path);
    const docker = mapping(document.docker, path, "docker");
    const all = document["default-docker"] == null ? docker : { ...docker, "": document["default-docker"] };
    for (const [scope, value] of Object.entries(all)) {
      const shown = scope === "" ? "default-docker" : scope;
      if (sections.has(scope)) throw malformed(path, `${shown} is in another file already`);
      sections.set(scope, sectionOf(mapping(value, path, shown), path, shown, prefix));
    }
  }
  return sections;
}

async function parseFile(bytes: Buffer, path: string): Promise<JsonObject> {
  // Few hosts have such a file: the reader of YAML is loaded for those alone.
  const { parseYaml } = await import("../yaml.ts");
  try {
    return mapping(parseYaml(bytes.toString("utf8")), path, "it");
  } catch (error) {
    if (error instanceof Error && error.name.startsWith("YAML")) throw malformed(path, error.message, error);
    throw error;
  }
}

function mapping(value: unknown, path: string, what: string): JsonObject {
  if (value === undefined || value === null) return {};
  if (isObject(value)) return value;
  throw malformed(path, `${what} is not a mapping`);
}

function sectionOf(section: JsonObject, path: string, scope: string, prefix: string): Section {
  const text = (key: string): string | undefined => {
    const value: unknown = section[key] ?? "";
    if (typeof value === "string") return value === "" ? undefined : value;
    throw malformed(path, `${scope}: ${key} is not a text`);
  };
  const attachments: unknown = section["use-sigstore-attachments"] ?? undefined;
  if (attachments !== undefined && typeof attachments !== "boolean")
    throw malformed(path, `${scope}: use-sigstore-attachments is neither true nor false`);
  const written = text("lookaside") ?? text("sigstore");
  return { lookaside: written === undefined ? undefined : parseLookaside(written, path, scope, prefix), attachments };
}

function parseLookaside(text: string, path: string, scope: string, prefix: string): Lookaside {
  const url = URL.parse(text);
  if (url?.protocol === "file:" && url.host === "")
    return { kind: "directory", path: `${prefix}${fileURLToPath(url)}`.replace(/\/+$/, "") };
  if (url?.protocol === "https:" || url?.protocol === "http:")
    return { kind: "server", url: url.href.replace(/\/+$/, "") };
  throw malformed(path, `${scope}: the lookaside ${text} is neither file:///, https:// nor http://`);
}
