import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { errnoOf, KeelsonError, statuses } from "../errors.ts";
import { stackDirectory } from "../host/stack-files.ts";
import { importQuadlet as readQuadlet } from "../plan/import-quadlet.ts";
import { checkName } from "../plan/name.ts";
import { createDurably } from "../store/durable.ts";
import { asWriter, type World } from "../world.ts";

export interface ImportRequest {
  readonly name?: string | undefined;
  readonly dryRun: boolean;
}

/** Writes what a `.container` file of podman says as a stack file, for apply, and a drop-in of the unit. The exit status. */
export async function importQuadlet(world: World, file: string, request: ImportRequest): Promise<number> {
  const name = checkName(request.name ?? basename(file, ".container"));
  const { stack, dropIn, lost } = readQuadlet(readGiven(file), name, basename(file));
  const stackPath = `${stackDirectory}/${name}.conf`;
  const dropInPath = `/etc/systemd/system/${name}.service.d/20-quadlet.conf`;
  const files = [
    { path: stackPath, text: stack },
    ...(dropIn === undefined ? [] : [{ path: dropInPath, text: dropIn }]),
  ];
  const taken = files.find(({ path }) => existsSync(world.root.path(path)));
  if (taken !== undefined) {
    throw new KeelsonError("E_FILE_EXISTS", `${taken.path} is there already`, {
      hint: "Choose another --name, or move the file away.",
    });
  }
  for (const what of lost) world.output.warn(`cannot be expressed: ${what}`);
  if (!request.dryRun) {
    // The stack last: without it, nothing comes of the other.
    await asWriter(world, "import", async () => {
      for (const each of files.toReversed()) write(world, each);
    });
  }
  const shown = files.flatMap(({ path, text }) => [`# ${path}`, ...text.trimEnd().split("\n")]);
  const next = [
    ...files.map(({ path }) => `wrote ${path}`),
    `look with: keelson plan ${stackPath}`,
    `install with: keelson apply ${stackPath}`,
  ];
  world.output.answer({ name, files, lost }, request.dryRun ? shown : next);
  return request.dryRun ? statuses.changes : statuses.done;
}

function readGiven(file: string): string {
  try {
    return readFileSync(resolve(file), "utf8");
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "ENOENT" && code !== "EISDIR" && code !== "ENOTDIR") throw error;
    throw new KeelsonError("E_NOT_FOUND", `there is no file ${file}`, {
      hint: "Name a .container file.",
      cause: error,
    });
  }
}

function write(world: World, { path, text }: { readonly path: string; readonly text: string }): void {
  const place = world.root.path(path);
  mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
  createDurably(place, text, 0o644);
}
