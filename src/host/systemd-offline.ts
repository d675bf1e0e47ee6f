import { lstatSync, mkdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import type { DeployedLink } from "../plan/deployment.ts";
import { hostPlaces } from "../plan/places.ts";
import { installLinks } from "../plan/unit-links.ts";
import { besidePath, syncDirectory } from "../store/durable.ts";
import { removeFile } from "../store/remove.ts";
import { enabledLinks, installedTogether, type UnitText } from "./enabled-links.ts";
import { findUnit } from "./unit-origin.ts";
import { absentUnit, type UnitState } from "./unit-state.ts";

/**
 * The Systemd of a root where none runs: units are enabled by the links that `systemctl --root` would make, durably;
 * nothing is started. `tmpfiles` is what to do for systemd-tmpfiles there.
 */
export function openOfflineSystemd(
  root: string,
  tmpfiles: (action: "create" | "remove", path: string) => Promise<void>,
) {
  const nothing = async (): Promise<void> => {};
  return {
    running: false,
    scope: "system" as const,
    reload: nothing,
    enable: (unit: string) => enable(root, unit),
    disable: (unit: string) => disable(root, unit),
    start: nothing,
    stop: nothing,
    resetFailed: nothing,
    states: (units: readonly string[]) => readStates(root, units),
    dependents: async () => ({ requiring: [], wanting: [] }),
    tmpfiles,
    close: nothing,
  };
}

async function readStates(root: string, units: readonly string[]): Promise<ReadonlyMap<string, UnitState>> {
  const states = new Map<string, UnitState>();
  for (const unit of units) states.set(unit, await readState(root, unit));
  return states;
}

async function enable(root: string, unit: string): Promise<readonly DeployedLink[]> {
  const files = await installedTogether(root, unit, hostPlaces);
  if (files.length === 0) {
    throw new KeelsonError("E_SYSTEMD", `${unit} cannot be enabled: there is no unit file of that name below ${root}`, {
      hint: "Install the container again.",
    });
  }
  const links = files.flatMap(({ unit: name, text, path }) => installLinks(name, text, hostPlaces, path));
  const missing = links.filter((link) => !linked(root, link));
  for (const link of missing) makeLink(join(root, link.path), link.target);
  return links;
}

async function disable(root: string, unit: string): Promise<readonly DeployedLink[]> {
  const files = await togetherIfReadable(root, unit);
  const links = enabledLinks(root, [unit, ...files.map((file) => file.unit)], hostPlaces);
  for (const { path } of links) {
    removeFile(join(root, path));
    syncDirectory(dirname(join(root, path)));
  }
  for (const { path } of [...links, ...files.flatMap(linksIfReadable)]) tidy(root, path);
  return links;
}

/** What cannot be read was never enabled, and must not keep a unit from being disabled. */
async function togetherIfReadable(root: string, unit: string): Promise<readonly UnitText[]> {
  try {
    return await installedTogether(root, unit, hostPlaces);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_UNIT") return [];
    throw error;
  }
}

function linksIfReadable({ unit, text, path }: UnitText): readonly DeployedLink[] {
  try {
    return installLinks(unit, text, hostPlaces, path);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_UNIT") return [];
    throw error;
  }
}

/** Removes what making a link at `path` brings along, also when that was cut short. */
function tidy(root: string, path: string): void {
  const place = join(root, path);
  removeFile(besidePath(place));
  if (dirname(path) !== hostPlaces.units) removeIfEmpty(dirname(place));
}

/** Whether the link is there already; a file or another link in its place is somebody else's. */
function linked(root: string, { path, target }: DeployedLink): boolean {
  const place = join(root, path);
  const there = lstatSync(place, { throwIfNoEntry: false });
  if (there === undefined) return false;
  const found = there.isSymbolicLink() ? `a link to ${readlinkSync(place)}` : "not a link";
  if (found === `a link to ${target}`) return true;
  throw new KeelsonError("E_FILE_EXISTS", `${place} exists and is ${found}; it would have to be a link to ${target}`, {
    hint: "Remove it, or install with --no-enable.",
  });
}

function makeLink(path: string, target: string): void {
  const directory = dirname(path);
  if (mkdirSync(directory, { recursive: true, mode: 0o755 }) !== undefined) syncDirectory(dirname(directory));
  const beside = besidePath(path);
  removeFile(beside);
  symlinkSync(target, beside);
  renameSync(beside, path);
  syncDirectory(directory);
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
    syncDirectory(dirname(directory));
  } catch (error) {
    if (!["ENOTEMPTY", "ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw error;
  }
}

async function readState(root: string, unit: string): Promise<UnitState> {
  const origin = findUnit(root, unit, hostPlaces);
  if (origin?.kind === "masked") return { ...absentUnit, loadState: "masked", unitFileState: "masked" };
  const [file] = origin?.kind === "unit" ? await installedTogether(root, unit, hostPlaces) : [];
  if (file === undefined) return absentUnit;
  const enabled = enabledLinks(root, [unit], hostPlaces).length > 0;
  const installable = installLinks(unit, file.text, hostPlaces, file.path).length > 0;
  const unitFileState = enabled ? "enabled" : installable ? "disabled" : "static";
  return { ...absentUnit, loadState: "loaded", unitFileState, fragmentPath: file.path };
}
