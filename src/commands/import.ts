import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { errnoOf, KeelsonError, statuses } from "../errors.ts";
import { stackDirectoryOf } from "../host/stack-files.ts";
import { transact } from "../host/transaction.ts";
import type { HostChange } from "../plan/change.ts";
import type { HostFacts } from "../plan/facts.ts";
import { textState } from "../plan/file-state.ts";
import { missingParents } from "../plan/host-files.ts";
import { importQuadlet as readQuadlet } from "../plan/import-quadlet.ts";
import { checkName } from "../plan/name.ts";
import { asWriter, hostFacts, transactionHost, type World } from "../world.ts";

export interface ImportRequest {
  readonly name?: string | undefined;
  readonly dryRun: boolean;
}

/** Writes what a `.container` file of podman says as a stack file, for apply, and a drop-in of the unit. The exit status. */
export async function importQuadlet(world: World, file: string, request: ImportRequest): Promise<number> {
  const name = checkName(request.name ?? basename(file, ".container"));
  const { stack, dropIn, lost } = readQuadlet(readGiven(file), name, basename(file));
  const stackPath = `${stackDirectoryOf(world.places.configuration)}/${name}.conf`;
  const dropInPath = `${world.places.units}/${name}.service.d/20-quadlet.conf`;
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
    const changes = changesFor(files.toReversed(), hostFacts(world));
    const record = { schema: 1, verb: "import", name, direction: "back", changes } as const;
    await asWriter(world, "import", () => transact(record, transactionHost(world)));
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

interface NewFile {
  readonly path: string;
  readonly text: string;
}

/** All of them or none, whatever happens: a drop-in alone would change a unit that is somebody else's. */
function changesFor(files: readonly NewFile[], facts: HostFacts): readonly HostChange[] {
  const parents = new Map(
    files.flatMap(({ path }) => missingParents(path, facts)).map(({ path, mode }) => [path, mode]),
  );
  return [
    ...[...parents]
      .filter(([path]) => facts.at(path).kind === "missing")
      .map(([path, mode]) => ({ kind: "directory", path, to: mode }) as const),
    ...files.map(({ path, text }) => ({ kind: "file", path, to: textState(text) }) as const),
  ];
}
