import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DeployedLink } from "../plan/deployment.ts";
import type { Places } from "../plan/places.ts";
import { alsoInstalled } from "../plan/unit-links.ts";
import { entriesIn } from "../store/directory.ts";
import { syncDirectory } from "../store/durable.ts";
import { findUnit } from "./unit-origin.ts";

/** A unit file found below a root. */
export interface UnitText {
  readonly unit: string;
  /** As the host names it. */
  readonly path: string;
  readonly text: string;
}

/** `unit` and what its Also= names, as far as there are unit files of those names below `root`; itself first. */
export async function installedTogether(root: string, unit: string, places: Places): Promise<readonly UnitText[]> {
  const found = new Map<string, UnitText>();
  const wanted = [unit];
  for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
    const origin = found.has(next) ? undefined : findUnit(root, next, places);
    if (origin?.kind !== "unit") continue;
    const text = readFileSync(join(root, origin.path), "utf8");
    found.set(next, { unit: next, path: origin.path, text });
    wanted.push(...alsoInstalled(next, text));
  }
  return [...found.values()];
}

/** The links by which any of `units` is enabled below `root`: in directories of other units, and aliases. */
export function enabledLinks(
  root: string,
  units: readonly string[],
  { units: place }: Places,
): readonly DeployedLink[] {
  const top = entriesIn(join(root, place));
  const aliases = top.filter((entry) => entry.isSymbolicLink() && !units.includes(entry.name)).map(({ name }) => name);
  const others = top
    .filter((entry) => entry.isDirectory() && /\.(?:wants|requires|upholds)$/.test(entry.name))
    .flatMap(({ name }) => entriesIn(join(root, place, name)).map((entry) => ({ directory: name, entry })))
    .filter(({ entry }) => entry.isSymbolicLink() && units.includes(entry.name))
    .map(({ directory, entry }) => `${directory}/${entry.name}`);
  const linkAt = (name: string): DeployedLink => {
    return { path: `${place}/${name}`, target: readlinkSync(join(root, place, name)) };
  };
  return [...aliases.map(linkAt).filter(({ target }) => units.includes(basename(target))), ...others.map(linkAt)];
}

/**
 * Makes links that systemd has made or removed survive a power cut: it does not sync them. The directories they are in come
 * and go with them.
 */
export function syncLinks(root: string, links: readonly DeployedLink[], { units }: Places): void {
  const directories = new Set([units, ...links.map(({ path }) => dirname(path))]);
  for (const directory of [...directories].map((path) => join(root, path)))
    if (existsSync(directory)) syncDirectory(directory);
}
