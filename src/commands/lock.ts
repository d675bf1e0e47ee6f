import { statuses } from "../errors.ts";
import { type LockableFile, readStackFiles } from "../host/stack-files.ts";
import { shownPath } from "../layer/path.ts";
import { formatLock, type LockedImage } from "../plan/lock-file.ts";
import { parseStack } from "../plan/stack.ts";
import { writeDurably } from "../store/durable.ts";
import type { World } from "../world.ts";
import { nameImage } from "./name.ts";
import { seekImage } from "./pull.ts";

export interface LockRequest {
  /** A stack file or a directory of them; the host's own directory without it. */
  readonly stack: string | undefined;
  readonly platform?: string | undefined;
  readonly tlsVerify: boolean;
  readonly dryRun: boolean;
}

/** Writes beside each stack file which images its names stand for now. The exit status. */
export async function lock(world: World, request: LockRequest): Promise<number> {
  const { files } = readStackFiles(world.root, world.places, request.stack);
  parseStack(files);
  const rows: { readonly lock: string; readonly name: string; readonly image: string; readonly digest: string }[] = [];
  const lines: string[] = [];
  let changes = false;
  for (const file of files) {
    const images = await resolveImages(world, request, file);
    const text = formatLock(images);
    const changed = file.lock === undefined || formatLock(file.lock) !== text;
    changes ||= changed;
    if (changed && !request.dryRun) writeDurably(file.lockPlace, text, 0o644);
    for (const [name, locked] of images) {
      rows.push({ lock: file.lockPath, name, ...locked });
      const before = file.lock?.get(name);
      if (before?.digest !== locked.digest || before.image !== locked.image)
        lines.push(`${name} = ${locked.image}@${locked.digest}`);
    }
    lines.push(
      shownPath(
        changed ? `${file.lockPath} ${request.dryRun ? "would be" : "was"} written` : `${file.lockPath} is up to date`,
      ),
    );
  }
  world.output.answer({ changed: changes, images: rows }, lines);
  return request.dryRun && changes ? statuses.changes : statuses.done;
}

async function resolveImages(
  world: World,
  { platform, tlsVerify }: LockRequest,
  file: LockableFile,
): Promise<ReadonlyMap<string, LockedImage>> {
  const images = new Map<string, LockedImage>();
  for (const { name, image } of parseStack([file])) {
    const named = await nameImage(world, { image, platform, tlsVerify });
    const { source, offered } = await seekImage(world, { image: named.image, platform, tlsVerify });
    await source.close();
    images.set(name, { image, digest: offered.digest });
  }
  return images;
}
