import { createHash } from "node:crypto";
import { KeelsonError, printable } from "../errors.ts";
import { type Contract, hostTemplate, renameTemplate } from "./contract.ts";
import type { HostfsEntry } from "./exports.ts";
import { isNormalPath, latin1Of, type Renames, renamedPath, textOf } from "./host-path.ts";
import { renderText } from "./template.ts";
import type { Values } from "./values.ts";

/** One thing an image wants on the host. Paths and targets are latin1 strings; `mode` is permission bits. */
export type HostFileRequest =
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly mode: number;
    }
  | {
      readonly kind: "file";
      readonly path: string;
      /** Where it lies below hostfs in the image. */
      readonly source: string;
      readonly mode: number;
      /** Hex SHA-256 of what the host gets: of `text` in UTF-8 if there is one, else of the image's file. */
      readonly sha256: string;
      /** The rendered content of a file that the image lists as a template. */
      readonly text?: string;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly source: string; readonly target: string };

/** Mode of a parent directory that only a renamed path asks for. */
const parentMode = 0o755;

/**
 * What the image's hostfs becomes on the host, renamed and rendered, parents before children, in byte order. Directories
 * are those that are empty in the image and every parent of something listed, down from the root; the caller creates what
 * is missing of them. Throws E_HOST_FILE (a path that leaves its place, a special file, setuid or setgid), E_CONTRACT
 * (two entries on one path), E_VALUE_MISSING, E_TEMPLATE.
 */
export function planHostFiles(contract: Contract, values: Values): readonly HostFileRequest[] {
  const { hostfs, manifest } = contract;
  const renames = substitutedRenames(manifest.renameFiles, values);
  const literal = new Map([...manifest.renameFiles].map(([path, text]) => [latin1Of(path), latin1Of(text)]));
  const listed = new Set(manifest.installedFilesTemplate.map(latin1Of));
  const parents = new Set(hostfs.map(({ path }) => parentOf(path)));
  const modes = new Map<string, number>();
  const requests = new Map<string, HostFileRequest>();
  for (const entry of hostfs) {
    const path = renamedPath(entry.path, renames);
    if (!isNormalPath(entry.path) || !isNormalPath(path))
      throw refused(path, "is not an absolute path without . and ..");
    if (/[\u0000-\u001f\u007f]/.test(path)) throw refused(path, "has a control character in its name");
    if (entry.kind === "directory") {
      if (path === entry.path || !modes.has(path)) modes.set(path, entry.mode);
      if (!parents.has(entry.path)) addDirectory(path, requests);
      continue;
    }
    if (requests.has(path)) throw clash(path);
    const templated = listed.has(path) || listed.has(renamedPath(entry.path, literal));
    requests.set(path, requestOf(entry, path, templated, values));
  }
  for (const path of [...requests.keys()]) {
    for (let above = parentOf(path); above !== ""; above = parentOf(above)) addDirectory(above, requests);
  }
  return [...requests.values()]
    .map((request) =>
      request.kind === "directory" ? { ...request, mode: modes.get(request.path) ?? parentMode } : request,
    )
    .sort((one, other) => (one.path < other.path ? -1 : 1));
}

function substitutedRenames(renameFiles: ReadonlyMap<string, string>, values: Values): Renames {
  return new Map(
    [...renameFiles].map(([from, text]) => {
      const to = renderText(renameTemplate(text), values);
      if (!isNormalPath(to) || /[\u0000-\u001f\u007f]/.test(to)) {
        throw refused(latin1Of(to), `(renamed from ${printable(from)}) is not an absolute path without . and ..`);
      }
      return [latin1Of(from), latin1Of(to)];
    }),
  );
}

function requestOf(
  entry: Exclude<HostfsEntry, { readonly kind: "directory" }>,
  path: string,
  templated: boolean,
  values: Values,
): HostFileRequest {
  switch (entry.kind) {
    case "special":
      throw refused(path, `is a ${printable(entry.type)} in the image`);
    case "symlink":
      return { kind: "symlink", path, source: entry.path, target: entry.target };
    case "file": {
      if ((entry.mode & 0o6000) !== 0) throw refused(path, "is setuid or setgid");
      const request = { kind: "file", path, source: entry.path, mode: entry.mode } as const;
      if (!templated) return { ...request, sha256: entry.sha256 };
      const text = renderText(hostTemplate(entry), values);
      return { ...request, sha256: createHash("sha256").update(text, "utf8").digest("hex"), text };
    }
  }
}

function addDirectory(path: string, requests: Map<string, HostFileRequest>): void {
  const there = requests.get(path);
  if (there === undefined) requests.set(path, { kind: "directory", path, mode: parentMode });
  else if (there.kind !== "directory") throw clash(path);
}

/** Of `/a/b` it is `/a`, of `/a` nothing. */
function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function refused(path: string, why: string): KeelsonError {
  return new KeelsonError("E_HOST_FILE", `Host file ${printable(textOf(path))} ${why}`, {
    hint: "keelson puts plain files, directories and symbolic links on the host; correct the image or the value in the path.",
  });
}

function clash(path: string): KeelsonError {
  return new KeelsonError(
    "E_CONTRACT",
    `Two entries of /exports/hostfs would be ${printable(textOf(path))} on the host`,
    {
      hint: "Correct renameFiles in the image's manifest.json, or give another value for a variable that it uses.",
    },
  );
}
