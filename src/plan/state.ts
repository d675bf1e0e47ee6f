import { latin1Of } from "../contract/host-path.ts";
import { renderTmpfiles } from "../contract/template.ts";
import type { Values } from "../contract/values.ts";
import { KeelsonError, printable } from "../errors.ts";
import type { BindMount, PlannedConfig } from "./config.ts";
import type { DeployedTmpfiles, MadeDirectory } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { missingParents } from "./host-files.ts";
import type { DeploymentRequest } from "./request.ts";
import { madeBy, parseTmpfiles, refuseClearing, type TmpfilesLine, tmpfilesForBinds } from "./tmpfiles.ts";
import { ownedByUser, ownerWarnings, refuseForeign } from "./tmpfiles-user.ts";

export interface PlannedState {
  /** Absent when there are no lines. */
  readonly tmpfiles?: DeployedTmpfiles;
  readonly lines: readonly TmpfilesLine[];
  readonly warnings: readonly string[];
}

/**
 * The directories a container keeps things in: by the image's tmpfiles template, else by keelson's for an image without
 * /exports, else one line for each source of a bind mount that keelson has to make. Throws E_TMPFILES, E_FILE_EXISTS for a
 * tmpfiles file that is not keelson's, and what rendering does.
 */
export function planState(
  request: DeploymentRequest,
  values: Values,
  config: PlannedConfig,
  facts: HostFacts,
): PlannedState {
  // What keelson made for the container before is asked for again, whether it is there now or not.
  const absent = config.binds.filter(({ source }) => {
    const path = facts.resolve(latin1Of(source));
    return facts.at(path).kind === "missing" || facts.madeBefore(path);
  });
  // Nothing is guessed where the image has a file: a directory in its place would only hide that the file is missing.
  const files = absent.filter(({ destination }) => request.isFileInImage(destination));
  const { name, text: rendered } = stateText(
    request,
    values,
    config,
    absent.filter((bind) => !files.includes(bind)),
  );
  const { user } = facts.places;
  const text = user === undefined ? rendered : ownedByUser(rendered);
  const lines = parseTmpfiles(text, name);
  if (user === undefined) refuseClearing(lines, name);
  else refuseForeign(lines, name, facts.places, user);
  const missing = files
    .filter(({ source }) => !lines.some((line) => line.path === source))
    .map(({ source }) => `${printable(source)} is bound into the container and does not exist`);
  const warnings = [...missing, ...(user === undefined ? [] : ownerWarnings(parseTmpfiles(rendered, name)))];
  if (lines.length === 0) return { lines, warnings };
  return { tmpfiles: deployedTmpfiles(request.name, text, lines, facts), lines, warnings };
}

function stateText(
  request: DeploymentRequest,
  values: Values,
  config: PlannedConfig,
  absent: readonly BindMount[],
): { readonly name: string; readonly text: string } {
  const template =
    request.contract.tmpfiles ?? (request.contract.config === undefined ? request.defaults.tmpfiles : undefined);
  if (template !== undefined) return { name: template.name, text: renderTmpfiles(template, values) };
  return { name: `${request.name}.conf`, text: tmpfilesForBinds(absent, config.uid, config.gid) };
}

function deployedTmpfiles(
  name: string,
  text: string,
  lines: readonly TmpfilesLine[],
  facts: HostFacts,
): DeployedTmpfiles {
  const declared = madeBy(lines).map((path) => facts.resolve(latin1Of(path)));
  const made = new Map<string, MadeDirectory>();
  for (const path of declared) {
    for (const directory of missingParents(`${path}/.`, facts)) made.set(directory.path, directory);
  }
  const path = `${facts.places.tmpfiles}/keelson-${name}.conf`;
  if (facts.at(path).kind !== "missing" && facts.ownerOf(path) !== name) {
    throw new KeelsonError("E_FILE_EXISTS", `${path} already exists and is not keelson's`, {
      hint: "Move it away, or choose another --name.",
    });
  }
  return { path, text, declared, made: [...made.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}
