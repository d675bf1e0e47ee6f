import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { StorageReference } from "../image/engine-reference.ts";
import { isObject, type JsonObject } from "../image/json.ts";

/** Where storage.conf is looked for. */
export interface StoragePlaces {
  /** Of --root; "" for the running host. */
  readonly prefix: string;
  readonly home: string;
}

/** A store of podman, buildah or CRI-O. */
export interface StoragePlace {
  /** Absent where nothing says so. */
  readonly driver?: string;
  /** As it is written, which is what policy.json calls it by. */
  readonly root: string;
  /** The directories that hold images and layers, the first that has one wins; paths for system calls. */
  readonly roots: readonly string[];
}

const systemRoot = "/var/lib/containers/storage";

/**
 * The store that a reference names, or the one of storage.conf: that of the host for root, the own one for anybody else.
 * https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md. Throws E_SETTINGS.
 */
export async function findStorage(reference: StorageReference, places: StoragePlaces): Promise<StoragePlace> {
  const { store } = reference;
  if (store !== undefined) {
    const { driver, root } = store;
    return { ...(driver && { driver: driverName(driver) }), root, roots: [root] };
  }
  const { prefix, home } = places;
  const rootless = process.getuid?.() !== 0;
  const own = rootless ? await readConf(join(home, ".config/containers/storage.conf")) : undefined;
  const host =
    (await readConf(`${prefix}/etc/containers/storage.conf`)) ??
    (await readConf(`${prefix}/usr/share/containers/storage.conf`)) ??
    {};
  const conf = own ?? host;
  const ownRoot = conf.rootless_storage_path || host.rootless_storage_path || `${home}/.local/share/containers/storage`;
  const graphRoot = own?.graphroot || (rootless ? ownRoot : conf.graphroot || systemRoot);
  const root = expanded(graphRoot, home);
  const at = rootless ? "" : prefix;
  const others = [...texts(conf.imagestore), ...texts(conf.options?.additionalimagestores)];
  return {
    ...(typeof conf.driver === "string" && conf.driver !== "" && { driver: driverName(conf.driver) }),
    root,
    roots: [root, ...others.map((path) => expanded(path, home))].map((path) => `${at}${path}`),
  };
}

function driverName(driver: string): string {
  return driver === "overlay2" ? "overlay" : driver;
}

function expanded(path: string, home: string): string {
  const values: Readonly<Record<string, string>> = { HOME: home, UID: String(process.getuid?.() ?? 0) };
  return path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, braced, bare) => values[braced ?? bare] ?? all);
}

function texts(value: unknown): readonly string[] {
  return [value].flat().filter((item): item is string => typeof item === "string" && item.startsWith("/"));
}

/** The table [storage]; undefined when there is no such file. */
async function readConf(path: string): Promise<JsonObject | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw new KeelsonError("E_SETTINGS", `${path} cannot be read (${errnoOf(error)})`, {
      hint: "Make it readable, or name the store: containers-storage:[overlay@/ROOT]NAME.",
      cause: error,
    });
  }
  const { parseToml } = await import("../toml.ts");
  const { storage = {} } = parseToml(text, path);
  if (!isObject(storage)) throw wrong(path, "storage");
  for (const key of ["driver", "graphroot", "rootless_storage_path"]) {
    if (typeof (storage[key] ?? "") !== "string") throw wrong(path, `storage.${key}`);
  }
  return storage;
}

function wrong(path: string, key: string): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${printable(path)}: ${key} is not what it should be`, {
    hint: "containers-storage.conf(5) says what may be there.",
  });
}
