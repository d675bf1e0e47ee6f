import { join } from "node:path";
import { type Digest, parseDigest } from "../image/digest.ts";
import type { StorageReference } from "../image/engine-reference.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import type { DocumentLimits } from "../image/limits.ts";
import { engineName, formatName, parseName } from "../trust/name.ts";
import { openDirectory } from "./directory.ts";
import { readIfThere, unreadable } from "./file-set.ts";
import { listed } from "./listed.ts";
import type { StoragePlace } from "./storage-conf.ts";

const listLimit = 64 * 1024 * 1024;

/** Where each driver keeps the files of a layer, below the root of the store. */
const layerFiles: Readonly<Record<string, (id: string) => string>> = {
  overlay: (id) => `overlay/${id}/diff`,
  vfs: (id) => `vfs/dir/${id}`,
};

/** One image of a store, and its layers. https://github.com/containers/storage */
export interface Storage {
  /** Of its manifest, where the store says so: of the last one, when it came by several. */
  readonly digest: Digest | undefined;
  /** A document that is kept with the image; undefined when it is not there. */
  readData(key: string): Promise<Buffer | undefined>;
  /** Lowest first. */
  layers(): Promise<readonly StoredLayer[]>;
  signatureSizes(manifest: Digest): readonly number[];
}

export interface StoredLayer {
  readonly id: string;
  /** Of its tar; -1 where the store does not know. */
  readonly size: number;
  /** Where what tar-split kept of it is. */
  readonly directory: string;
  /** Where its files are. */
  readonly files: string;
}

/** Finds the image in the directories of a store. Throws E_SOURCE, with what there is. */
export async function openStorage(
  place: StoragePlace,
  reference: StorageReference,
  { name, limits }: { readonly name: string; readonly limits: DocumentLimits },
): Promise<Storage> {
  const driver = await driverOf(place, name);
  const all: { readonly root: string; readonly image: JsonObject }[] = [];
  for (const root of place.roots) {
    const images = (await readList(root, `${driver}-images/images.json`, name)) ?? [];
    all.push(...images.map((image) => ({ root, image })));
  }
  const { root, image } = chosenImage(all, reference, name);
  const data = openDirectory(join(root, `${driver}-images`, image.id));
  return {
    digest: manifestDigest(image),
    readData: (key) => readIfThere(data, dataName(key), limits.bytes),
    layers: () => layersOf(String(image.layer ?? ""), place.roots, driver, name),
    signatureSizes: (manifest) => signatureSizes(image, manifest),
  };
}

async function driverOf({ driver, root, roots }: StoragePlace, name: string): Promise<string> {
  const known = Object.keys(layerFiles);
  if (driver !== undefined && !known.includes(driver)) {
    throw unreadable(name, `its driver is ${driver}, and keelson reads ${known.join(" and ")}`);
  }
  const present: string[] = [];
  for (const one of known) {
    for (const directory of roots) {
      if ((await readList(directory, `${one}-images/images.json`, name)) !== undefined) present.push(one);
    }
  }
  const [found] = present;
  if (driver === undefined && found !== undefined) return found;
  if (driver !== undefined && present.includes(driver)) return driver;
  const there = found === undefined ? "" : `; there is one of the driver ${found}`;
  throw unreadable(name, `${root} is no store of the driver ${driver ?? known.join(" or ")}${there}`);
}

function chosenImage<T extends { readonly image: JsonObject }>(
  all: readonly T[],
  { name, id }: StorageReference,
  text: string,
): T {
  const wanted = name && engineName(name);
  const matching = all.filter(({ image }) => {
    if (id !== undefined && !String(image.id).startsWith(id)) return false;
    if (wanted === undefined) return true;
    const inRepository = namesOf(image).some((one) => parseName(one)?.name === wanted.name);
    if (wanted.digest !== undefined) return inRepository && manifestsOf(image).includes(wanted.digest);
    return id === undefined ? namesOf(image).includes(formatName(wanted)) : inRepository;
  });
  const ids = new Set(matching.map(({ image }) => image.id));
  const [found] = matching;
  if (found !== undefined && ids.size === 1) return found;
  if (found !== undefined) throw unreadable(text, `${ids.size} images begin so`);
  const names = all.flatMap(({ image }) => (namesOf(image).length === 0 ? [`@${image.id}`] : namesOf(image)));
  throw unreadable(text, `there is no such image; there are ${listed(names)}`);
}

function namesOf(image: JsonObject): readonly string[] {
  return Array.isArray(image.names) ? image.names.map(String) : [];
}

/** `digest` of the list is that of the first manifest. */
function manifestDigest(image: JsonObject): Digest | undefined {
  const documents = isObject(image["big-data-digests"]) ? image["big-data-digests"] : {};
  const digest = documents.manifest || image.digest;
  return typeof digest === "string" && digest !== "" ? parseDigest(digest) : undefined;
}

/** The digests of all manifests that are kept with an image: of an index that it came from, too. */
function manifestsOf(image: JsonObject): readonly unknown[] {
  const digests = isObject(image["big-data-digests"]) ? Object.entries(image["big-data-digests"]) : [];
  return [image.digest, ...digests.filter(([key]) => /^manifest(?:-|$)/.test(key)).map(([, digest]) => digest)];
}

function signatureSizes(image: JsonObject, manifest: Digest): readonly number[] {
  const metadata: unknown = JSON.parse(String(image.metadata || "{}"));
  const sizes: unknown = isObject(metadata) && metadata["signatures-sizes"];
  const list: unknown = isObject(sizes) && sizes[manifest];
  return Array.isArray(list) ? list.filter((size) => Number.isSafeInteger(size) && size > 0) : [];
}

async function layersOf(
  top: string,
  roots: readonly string[],
  driver: string,
  name: string,
): Promise<readonly StoredLayer[]> {
  const known = new Map<string, { readonly root: string; readonly layer: JsonObject }>();
  for (const root of roots) {
    for (const layer of (await readList(root, `${driver}-layers/layers.json`, name)) ?? []) {
      if (!known.has(layer.id)) known.set(layer.id, { root, layer });
    }
  }
  const chain: StoredLayer[] = [];
  for (let id = top; id !== ""; ) {
    const found = known.get(id);
    if (found === undefined || found.layer.flags?.incomplete === true)
      throw unreadable(name, `its layer ${id} is not there`);
    if (chain.length > known.size) throw unreadable(name, `its layer ${id} is its own parent`);
    const { root, layer } = found;
    const files = join(root, layerFiles[driver]?.(id) ?? "");
    chain.unshift({ id, size: Number(layer["diff-size"] ?? -1), directory: join(root, `${driver}-layers`), files });
    id = String(layer.parent ?? "");
  }
  return chain;
}

/** The objects of a list; undefined where there is no such file. One whose id could lead elsewhere is passed over. */
async function readList(root: string, path: string, name: string): Promise<readonly JsonObject[] | undefined> {
  const bytes = await readIfThere(openDirectory(root), path, listLimit);
  if (bytes === undefined) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString("utf8") || "[]");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unreadable(name, `${join(root, path)} is not JSON`, error);
  }
  const sound = (row: unknown): row is JsonObject => isObject(row) && /^[0-9a-f]{64}$/.test(String(row.id));
  if (Array.isArray(list)) return list.filter(sound);
  throw unreadable(name, `${join(root, path)} is not a list of images or layers`);
}

/** The file of a document: its key where that is plain, else that in base64. */
function dataName(key: string): string {
  return /^[0-9a-z.]+$/.test(key) ? key : `=${Buffer.from(key).toString("base64")}`;
}
