import { readdir, stat } from "node:fs/promises";
import { basename, relative, resolve } from "node:path";
import { errnoOf, KeelsonError, printable, statuses } from "../errors.ts";
import { formatReference, parseReference, parseRepository, type Reference } from "../image/reference.ts";
import type { SourceOptions } from "../source/options.ts";
import { listTags } from "../source/registry-verbs.ts";
import { readSyncList, type SyncRegistry } from "../source/sync-list.ts";
import type { World } from "../world.ts";
import { readForm, readSides, type Sides, type TransferOptions, transfer } from "./transfer.ts";

export interface SyncRequest extends Sides {
  readonly from: string;
  readonly to: string;
  /** `docker`, `dir` or `yaml`; what `from` is, where it is not said. */
  readonly src?: string | undefined;
  /** `docker` or `dir`. */
  readonly dest?: string | undefined;
  /** Under its full name at the destination, not under the last part of it. */
  readonly scoped: boolean;
  readonly all: boolean;
  readonly keepGoing: boolean;
  readonly format?: string | undefined;
  readonly platform?: string | undefined;
  readonly removeSignatures: boolean;
  readonly insecurePolicy: boolean;
  readonly dryRun: boolean;
}

interface Item {
  readonly from: Reference;
  readonly options: SourceOptions;
  /** Its full name, as the path that it gets with --scoped. */
  readonly path: string;
}

interface Failed {
  readonly source: string;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

/** Copies many images: a repository, a list of them, or a directory of images. The exit status: 1 when one failed. */
export async function sync(world: World, request: SyncRequest): Promise<number> {
  const sides = readSides(world, request);
  const failed: Failed[] = [];
  const going = async <T>(source: string, action: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (error) {
      world.signal.throwIfAborted();
      if (!request.keepGoing || !(error instanceof KeelsonError)) throw error;
      const { code, message, hint } = error;
      world.output.warn(`${source}: ${message} (${code})`);
      failed.push({ source, error: { code, message, hint } });
      return undefined;
    }
  };
  const items = await listItems(request, sides.source, going);
  const planned = plan(items, request);
  if (request.dryRun) {
    const rows = planned.map(({ from, to }) => ({ source: formatReference(from), destination: formatReference(to) }));
    world.output.answer(
      { images: rows, failed },
      rows.map(({ source, destination }) => `${source} -> ${destination}`),
    );
    return planned.length > 0 ? statuses.changes : failed.length > 0 ? 1 : statuses.done;
  }
  const images: { readonly source: string; readonly destination: string; readonly digest: string }[] = [];
  for (const { from, to, options } of planned) {
    const names = { source: formatReference(from), destination: formatReference(to) };
    const how: TransferOptions = { ...request, ...readForm(request), ...sides, source: options };
    const copied = await going(names.source, () => transfer(world, from, to, how));
    if (copied !== undefined) images.push({ ...names, ...copied });
  }
  const lines = images.map(({ source, destination, digest }) => `${source} -> ${destination} ${digest}`);
  world.output.answer({ images, failed }, lines);
  return failed.length > 0 ? 1 : statuses.done;
}

type Going = <T>(source: string, action: () => Promise<T>) => Promise<T | undefined>;

async function listItems(request: SyncRequest, options: SourceOptions, going: Going): Promise<readonly Item[]> {
  const { kind, place } = await sourceKind(request);
  switch (kind) {
    case "docker":
      return listRepository(place, options);
    case "dir":
      return listDirectory(place, options);
    case "yaml": {
      const found: Item[] = [];
      for (const registry of await readSyncList(place)) found.push(...(await listRegistry(registry, options, going)));
      return found;
    }
  }
}

/** A tag or digest that is named, else every tag. */
async function listRepository(name: string, options: SourceOptions): Promise<readonly Item[]> {
  if (/(?::[^/]*|@.*)$/.test(name.replace(/^[^/]*/, ""))) return [itemOf(name, options)];
  const { host, repository } = parseRepository(name);
  const tags = await listTags({ host, repository }, options);
  return tags.map((tag) => itemOf(`${host}/${repository}:${tag}`, options));
}

function itemOf(name: string, options: SourceOptions): Item {
  const from = parseReference(`docker://${name}`);
  return { from, options, path: formatReference(from) };
}

async function listRegistry(registry: SyncRegistry, given: SourceOptions, going: Going): Promise<readonly Item[]> {
  const { host, images, patterns, tlsVerify = given.tlsVerify, credentials = given.credentials } = registry;
  const options = { ...given, tlsVerify, credentials, certificateDirectory: registry.certificates };
  const found: Item[] = [];
  for (const [repository, versions] of images) {
    const name = `${host}/${repository}`;
    const named = versions.map((version) => itemOf(`${name}${version.includes(":") ? "@" : ":"}${version}`, options));
    found.push(...(versions.length > 0 ? named : ((await going(name, () => listRepository(name, options))) ?? [])));
  }
  for (const [repository, pattern] of patterns) {
    const name = `${host}/${repository}`;
    const tags = (await going(name, () => listTags(parseRepository(name), options))) ?? [];
    found.push(...tags.filter((tag) => pattern.test(tag)).map((tag) => itemOf(`${name}:${tag}`, options)));
  }
  return found;
}

/** Every directory below with a manifest.json in it, by path. */
async function listDirectory(place: string, options: SourceOptions): Promise<readonly Item[]> {
  const base = resolve(place);
  const entries = await readdir(base, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    throw new KeelsonError("E_SOURCE", `${printable(base)} is not a directory`, { hint: "Check the path." });
  });
  const images = entries.filter((entry) => entry.isFile() && entry.name === "manifest.json");
  return images
    .map(({ parentPath: path }) => ({ from: { kind: "dir", path } as const, options, path: relative(base, path) }))
    .map((item) => ({ ...item, path: item.path === "" ? basename(base) : item.path }))
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** Where each image goes. Throws E_USAGE where two would meet, or directories would be copied to directories. */
function plan(
  items: readonly Item[],
  request: SyncRequest,
): readonly (Pick<Item, "from" | "options"> & { readonly to: Reference })[] {
  const { kind, place } = destinationKind(request);
  const taken = new Map<string, string>();
  return items.map(({ from, options, path }) => {
    if (from.kind === "dir" && kind === "dir") {
      throw usage("images in directories are not copied to directories", "Copy the directories themselves.");
    }
    const suffix = request.scoped ? path : basename(path);
    const to =
      kind === "dir"
        ? ({ kind, path: resolve(place, suffix) } as const)
        : parseReference(`docker://${place}/${suffix}`);
    const [name, source] = [formatReference(to), formatReference(from)];
    const other = taken.get(name);
    if (other !== undefined && other !== source) {
      throw usage(
        `${other} and ${source} would both become ${name}`,
        "Give --scoped, so that each keeps its full name.",
      );
    }
    taken.set(name, source);
    return { from, options, to };
  });
}

type Place<Kind> = { readonly kind: Kind; readonly place: string };

async function sourceKind({ from, src }: SyncRequest): Promise<Place<"docker" | "dir" | "yaml">> {
  if (src !== undefined) return { kind: oneOf("--src", src, ["docker", "dir", "yaml"]), place: bare(from) };
  if (from.startsWith("dir:")) return { kind: "dir", place: bare(from) };
  const found = from.startsWith("docker://") ? undefined : await stat(from).catch(() => undefined);
  if (found?.isDirectory()) return { kind: "dir", place: from };
  return { kind: found?.isFile() || isPath(from) ? "yaml" : "docker", place: bare(from) };
}

function destinationKind({ to, dest }: SyncRequest): Place<"docker" | "dir"> {
  const place = bare(to).replace(/\/+$/, "") || "/";
  if (dest !== undefined) return { kind: oneOf("--dest", dest, ["docker", "dir"]), place };
  return { kind: to.startsWith("dir:") || isPath(to) ? "dir" : "docker", place };
}

/** What can be no registry. */
function isPath(text: string): boolean {
  return text.startsWith("/") || text.startsWith("./") || text.startsWith("../") || text === ".";
}

function bare(text: string): string {
  return text.replace(/^(?:docker:\/\/|dir:)/, "");
}

function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((value) => value === text);
  if (found !== undefined) return found;
  throw usage(
    `${option} ${printable(text)} is not one of ${known.join(", ")}`,
    "keelson sync --help says what they mean.",
  );
}

function usage(message: string, hint: string): KeelsonError {
  return new KeelsonError("E_USAGE", message, { hint });
}
