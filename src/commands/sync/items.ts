import { readdir, stat } from "node:fs/promises";
import { basename, relative, resolve } from "node:path";
import { errnoOf, KeelsonError, printable } from "../../errors.ts";
import { formatReference, parseReference, parseRepository, type Reference } from "../../image/reference.ts";
import type { SourceOptions } from "../../source/options.ts";
import { listTags } from "../../source/registry-verbs.ts";
import { readSyncList, type SyncRegistry } from "../../source/sync-list.ts";

/** Where images are taken from. */
export interface SyncSource {
  readonly from: string;
  /** What `from` is, where it does not look so. */
  readonly src?: "docker" | "dir" | "yaml" | undefined;
}

/** One image that is to be copied. */
export interface Item {
  readonly from: Reference;
  readonly options: SourceOptions;
  /** Its full name, as the path that it gets with --scoped. */
  readonly path: string;
}

/** Runs what may fail for one name, and goes on where that is wanted. */
export type Going = <T>(source: string, action: () => Promise<T>) => Promise<T | undefined>;

/** The images that are to be copied. */
export async function listItems(wanted: SyncSource, options: SourceOptions, going: Going): Promise<readonly Item[]> {
  const { src, from } = await sourceKind(wanted);
  switch (src) {
    case "docker":
      return listRepository(from, options);
    case "dir":
      return listDirectory(from, options);
    case "yaml": {
      const found: Item[] = [];
      for (const registry of await readSyncList(from)) found.push(...(await listRegistry(registry, options, going)));
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

async function sourceKind({
  from,
  src,
}: SyncSource): Promise<{ readonly src: NonNullable<SyncSource["src"]>; readonly from: string }> {
  if (src !== undefined) return { src, from: bare(from) };
  if (from.startsWith("dir:")) return { src: "dir", from: bare(from) };
  const found = from.startsWith("docker://") ? undefined : await stat(from).catch(() => undefined);
  if (found?.isDirectory()) return { src: "dir", from };
  return { src: found?.isFile() || isPath(from) ? "yaml" : "docker", from: bare(from) };
}

/** What can be no registry. */
export function isPath(text: string): boolean {
  return text.startsWith("/") || text.startsWith("./") || text.startsWith("../") || text === ".";
}

/** Without its transport. */
export function bare(text: string): string {
  return text.replace(/^(?:docker:\/\/|dir:)/, "");
}
