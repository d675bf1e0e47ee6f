import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { isObject } from "../image/json.ts";
import type { Registries } from "../image/registries.ts";
import { mergeRegistries, parseRegistriesConf, type RegistriesFile } from "../image/registries-conf.ts";

/** Where registries.conf and what belongs to it are, as paths for system calls. */
export interface RegistriesPlaces {
  /** The directory with the host's registries.conf and registries.conf.d. */
  readonly system: string;
  /** The same of who runs keelson; a registries.conf in it stands for everything in `system`. */
  readonly own: string;
  /** Short names that a person has decided on. */
  readonly chosen: string;
}

/**
 * The files together, in the order of containers-registries.conf.d(5), short-name-aliases.conf over all. Absent files say
 * nothing. Throws E_SETTINGS.
 */
export async function readRegistries(places: RegistriesPlaces): Promise<Registries> {
  const own = await readConf(join(places.own, "registries.conf"));
  const files: (RegistriesFile | undefined)[] = [own ?? (await readConf(join(places.system, "registries.conf")))];
  for (const directory of own === undefined ? [places.system, places.own] : [places.own]) {
    for (const path of await dropIns(join(directory, "registries.conf.d"))) files.push(await readConf(path));
  }
  files.push(await readConf(places.chosen));
  return mergeRegistries(files.filter((file) => file !== undefined));
}

/** Keeps what a person chose for a short name in the file that podman keeps it in, too. */
export async function writeChosenAlias(path: string, name: string, repository: string): Promise<void> {
  const { formatToml } = await import("../toml.ts");
  const document = (await readToml(path)) ?? {};
  const aliases = { ...(isObject(document.aliases) ? document.aliases : {}), [name]: repository };
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, formatToml({ ...document, aliases }), { mode: 0o644, flush: true });
  await rename(`${path}.new`, path);
}

/** In the order of their bytes; what is no regular file is passed over when it is read. */
async function dropIns(directory: string): Promise<readonly string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => name.endsWith(".conf"))
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      .map((name) => join(directory, name));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw unreadable(directory, error);
  }
}

async function readConf(path: string): Promise<RegistriesFile | undefined> {
  const document = await readToml(path);
  return document === undefined ? undefined : parseRegistriesConf(document, path);
}

async function readToml(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw unreadable(path, error);
  }
  const { parseToml } = await import("../toml.ts");
  return parseToml(text, path);
}

function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "EISDIR"].includes(errnoOf(error) ?? "");
}

function unreadable(path: string, error: unknown): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${path} cannot be read (${errnoOf(error)})`, {
    hint: "Which registries may be used is not known without it; make it readable, or remove it.",
    cause: error,
  });
}
