import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errnoOf } from "../errors.ts";
import type { Deployment } from "../plan/deployment.ts";
import type { Places } from "../plan/places.ts";
import { relationFile } from "../plan/relation-files.ts";
import { entriesIn } from "../store/directory.ts";

/** Where a unit name is taken. `path` is the host's own, without the root. */
export interface UnitOrigin {
  /**
   * `unit`: a unit file; `masked`: an empty one or a link to /dev/null; `link`: a symlink, dangling or not; `alias`: the
   * unit file at `path` claims the name with Alias=; `init-script`: systemd makes a unit of it; `drop-in`: only a directory
   * of additions, which takes effect on whoever gets the name.
   */
  readonly kind: "unit" | "masked" | "link" | "alias" | "init-script" | "drop-in";
  readonly path: string;
  /** Of a `link`. */
  readonly target?: string;
}

/**
 * Whether and where `unit` (`sshd.service`) exists below `root`, whoever owns it: keelson's own units are found as well.
 * What stands earlier in systemd's unit path comes first; an alias only where no file has the name, a drop-in last.
 */
export function findUnit(root: string, unit: string, places: Places): UnitOrigin | undefined {
  const directories = unitDirectories(root, places);
  for (const directory of directories) {
    const origin = unitFile(root, directory, unit);
    if (origin !== undefined) return origin;
  }
  for (const directory of directories) {
    const origin = aliasing(root, directory, unit);
    if (origin !== undefined) return origin;
  }
  const script = `/etc/init.d/${unit.replace(/\.service$/, "")}`;
  if (places.user === undefined && entryAt(join(root, script)) !== undefined)
    return { kind: "init-script", path: script };
  const additions = directories
    .map((directory) => `${directory}/${unit}.d`)
    .find((path) => entryAt(join(root, path)) !== undefined);
  return additions === undefined ? undefined : { kind: "drop-in", path: additions };
}

/** The text of the unit file behind `unit`; undefined when there is none, or it is masked. An init script has none to tell. */
export function readUnit(root: string, unit: string, places: Places): string | undefined {
  const origin = findUnit(root, unit, places);
  if (origin === undefined || origin.kind === "masked" || origin.kind === "drop-in") return undefined;
  if (origin.kind === "init-script") return "";
  const path = join(root, resolve(dirname(origin.path), origin.target ?? origin.path));
  return entryAt(path)?.isFile() ? readFileSync(path, "latin1") : undefined;
}

/**
 * The additions to `unit`, or to all instances it is one of, below `root` but for keelson's own, whoever wrote them, as the
 * host names them; what overrides others comes first.
 */
export function dropIns(root: string, unit: string, places: Places): readonly string[] {
  const template = unit.replace(/@.+(?=\.[a-z]+$)/, "@");
  return [...new Set([unit, template])].flatMap((named) =>
    unitDirectories(root, places).flatMap((directory) =>
      entriesIn(join(root, directory, `${named}.d`))
        .filter(({ name }) => name.endsWith(".conf") && name !== relationFile)
        .map(({ name }) => `${directory}/${named}.d/${name}`),
    ),
  );
}

/** The same of the services of several containers. */
export function dropInsOf(
  root: string,
  deployments: readonly Deployment[],
  places: Places,
): readonly { readonly container: string; readonly path: string }[] {
  return deployments.flatMap(({ name, service }) =>
    service === undefined ? [] : dropIns(root, service.unit, places).map((path) => ({ container: name, path })),
  );
}

function unitDirectories(root: string, { unitPath }: Places): readonly string[] {
  return unitPath.filter((directory) => directory !== "/lib/systemd/system" || !linked(join(root, "lib")));
}

function unitFile(root: string, directory: string, unit: string): UnitOrigin | undefined {
  const path = `${directory}/${unit}`;
  const entry = entryAt(join(root, path));
  if (entry === undefined) return undefined;
  if (!entry.isSymbolicLink()) return { kind: entry.isFile() && entry.size === 0 ? "masked" : "unit", path };
  const target = readlinkSync(join(root, path));
  return target === "/dev/null" ? { kind: "masked", path } : { kind: "link", path, target };
}

/** Only unit files of the same type can claim a name. */
function aliasing(root: string, directory: string, unit: string): UnitOrigin | undefined {
  const suffix = unit.slice(unit.lastIndexOf("."));
  const files = entriesIn(join(root, directory)).filter((entry) => entry.isFile() && entry.name.endsWith(suffix));
  const claimant = files.find(({ name }) => claims(readFileSync(join(root, directory, name), "latin1"), unit));
  return claimant === undefined ? undefined : { kind: "alias", path: `${directory}/${claimant.name}` };
}

/** Reads leniently: foreign unit files are as they are. */
function claims(text: string, unit: string): boolean {
  if (!text.includes(unit) || !text.includes("Alias")) return false;
  const lines = text.replace(/\\\n(?:[#;].*\n)*/g, " ").matchAll(/^[ \t]*Alias[ \t]*=(.*)$/gm);
  return [...lines].some(([, value = ""]) => value.split(/[\s"']+/).includes(unit));
}

function linked(path: string): boolean {
  return entryAt(path)?.isSymbolicLink() === true;
}

function entryAt(path: string): ReturnType<typeof lstatSync> | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
