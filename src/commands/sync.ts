import { basename, resolve } from "node:path";
import { KeelsonError, statuses } from "../errors.ts";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import type { World } from "../world.ts";
import { bare, type Item, isPath, listItems, type SyncSource } from "./sync/items.ts";
import { type CopyOptions, readSides, type Sides, type TransferOptions, transfer } from "./transfer.ts";

export interface SyncRequest extends Sides, SyncSource, Omit<CopyOptions, "compress"> {
  readonly to: string;
  /** What `to` is, where it does not look so. */
  readonly dest?: "docker" | "dir" | undefined;
  /** Under its full name at the destination, not under the last part of it. */
  readonly scoped: boolean;
  readonly keepGoing: boolean;
  readonly dryRun: boolean;
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
    const how: TransferOptions = { ...request, ...sides, source: options };
    const copied = await going(names.source, () => transfer(world, from, to, how));
    if (copied !== undefined) images.push({ ...names, ...copied });
  }
  const lines = images.map(({ source, destination, digest }) => `${source} -> ${destination} ${digest}`);
  world.output.answer({ images, failed }, lines);
  return failed.length > 0 ? 1 : statuses.done;
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

function destinationKind({ to, dest }: SyncRequest): { readonly kind: "docker" | "dir"; readonly place: string } {
  const place = bare(to).replace(/\/+$/, "") || "/";
  if (dest !== undefined) return { kind: dest, place };
  return { kind: to.startsWith("dir:") || isPath(to) ? "dir" : "docker", place };
}

function usage(message: string, hint: string): KeelsonError {
  return new KeelsonError("E_USAGE", message, { hint });
}
