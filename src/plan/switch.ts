import type { FileState, HostChange } from "./change.ts";
import type { DeployedService, Deployment, HostFile, MadeDirectory } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { textState } from "./file-state.ts";
import { planRecovery, planRecoveryRemoval } from "./recovery.ts";
import { planRelations } from "./relation-files.ts";
import { clearsAnything } from "./tmpfiles.ts";
import { alsoInstalled } from "./unit-links.ts";

export interface SwitchRequest {
  /** The unit is up, or on its way up or down. */
  readonly running: boolean;
  /** Start it at the end, running before or not. */
  readonly start: boolean;
  /** Services that are up and lean on the unit; those that require it stop and start with it. */
  readonly dependents?: { readonly requiring: readonly string[]; readonly wanting: readonly string[] };
  /** Milliseconds that what was started has to stay up; absent: it is not watched. */
  readonly soak?: number;
  /** On removal, remove the state that tmpfiles lines declare too. */
  readonly purge: boolean;
}

export interface SwitchPlan {
  /** In the order they are made. */
  readonly changes: readonly HostChange[];
  /** What of the leaving deployment stays: files that somebody changed, state that is not to be purged. */
  readonly kept: readonly string[];
}

/**
 * What brings a host from one deployment of a container to another: install without `from`, uninstall without `to`. The
 * service is stopped first and started last; its unit file comes after all it needs, and goes before.
 */
export function planSwitch(
  from: Deployment | undefined,
  to: Deployment | undefined,
  request: SwitchRequest,
  facts: HostFacts,
): SwitchPlan {
  if (to === undefined) return from === undefined ? { changes: [], kept: [] } : planRemoval(from, request, facts);
  const unit = `${to.name}.service`;
  const files = openFilePlan(facts);
  const stop = from?.service !== undefined && request.running;
  const stopped = stop ? [...(request.dependents?.requiring ?? []), unit] : [];
  const changes: HostChange[] = stopped.map((each) => ({ kind: "stop", unit: each }));
  const relinked = enablingOf(from) !== enablingOf(to);
  if (from?.service?.enabled && (!to.service?.enabled || relinked)) {
    changes.push({ kind: "disable", unit, links: from.service.links });
  }
  // Only what is stopped lets go of what its lines clear away.
  if (stop && from.tmpfiles !== undefined && clearsAnything(from.tmpfiles.text))
    changes.push({ kind: "tmpfiles-remove", path: from.tmpfiles.path, made: [] });
  changes.push(...made(to.madeDirectories, facts), ...planRecovery(facts));
  changes.push(...hostFiles(from, to, files));
  changes.push(...files.text(from?.tmpfiles, to.tmpfiles));
  changes.push({
    kind: "current",
    name: to.name,
    ...(from === undefined ? {} : { from: from.generation }),
    to: to.generation,
  });
  const units = [...files.text(from?.service, to.service), ...planRelations(to.name, to, facts)];
  changes.push(...units, ...removed(notAmong(from?.madeDirectories ?? [], to.madeDirectories), facts));
  if (units.length > 0) changes.push({ kind: "reload" });
  if (to.tmpfiles !== undefined)
    changes.push({ kind: "tmpfiles-create", path: to.tmpfiles.path, made: to.tmpfiles.made });
  if (to.service?.enabled && (!from?.service?.enabled || relinked))
    changes.push({ kind: "enable", unit, links: to.service.links });
  if (to.service !== undefined && (request.start || stop)) changes.push(...started(to, to.service, request));
  return { changes, kept: files.kept };
}

/** All that enabling a deployment's unit does, as text to be compared. */
function enablingOf(deployment: Deployment | undefined): string {
  const { unit, text, links } = deployment?.service ?? { unit: "", text: "", links: [] };
  return JSON.stringify([links, alsoInstalled(unit, text)]);
}

/** The service, then what requires it, and a watch over all that leans on it. */
function started(to: Deployment, service: DeployedService, request: SwitchRequest): readonly HostChange[] {
  const { requiring, wanting } = request.dependents ?? { requiring: [], wanting: [] };
  const starts = [service.unit, ...requiring.toReversed()].map((unit): HostChange => ({ kind: "start", unit }));
  if (request.soak === undefined) return starts;
  const { name, runtime } = to;
  const { unit, health } = service;
  const others = [...requiring, ...wanting];
  return [...starts, { kind: "watch", unit, others, name, runtime, soak: request.soak, ...(health && { health }) }];
}

/** The order of a removal: stop, disable, unit, reload, tmpfiles, host files, link, failure. What is needed to try again goes last. */
function planRemoval(from: Deployment, request: SwitchRequest, facts: HostFacts): SwitchPlan {
  const unit = `${from.name}.service`;
  const files = openFilePlan(facts);
  const changes: HostChange[] = [];
  if (from.service !== undefined) {
    if (request.running) changes.push({ kind: "stop", unit });
    if (from.service.enabled) changes.push({ kind: "disable", unit, links: from.service.links });
    changes.push(...files.text(from.service, undefined), ...planRelations(from.name, undefined, facts), {
      kind: "reload",
    });
  }
  if (from.tmpfiles !== undefined) {
    changes.push({ kind: "tmpfiles-remove", path: from.tmpfiles.path, made: [] });
    changes.push(...files.text(from.tmpfiles, undefined));
  }
  changes.push(...hostFiles(from, undefined, files));
  changes.push({ kind: "current", name: from.name, from: from.generation });
  changes.push(
    ...removedState(from, request.purge, facts, files.kept),
    ...(facts.alone(from.name) ? planRecoveryRemoval(facts) : []),
  );
  changes.push(...removed(from.madeDirectories, facts));
  if (from.service !== undefined) changes.push({ kind: "reset-failed", unit });
  return { changes, kept: files.kept };
}

/**
 * State that the tmpfiles lines declare. With `purge` all of it and what is in it, but for /run, which the next boot
 * empties; without, only the directories they brought, and those only while they are empty. What another container
 * declares too is left to it.
 */
function removedState(from: Deployment, purge: boolean, facts: HostFacts, kept: string[]): readonly HostChange[] {
  if (from.tmpfiles === undefined) return [];
  const own = (path: string): boolean => !facts.declaredElsewhere(path, from.name);
  const there = from.tmpfiles.declared.filter(
    (path) => facts.at(path).kind === "directory" && !path.startsWith("/run/"),
  );
  // A path such as /srv/x is too near the root to be removed for an image's word.
  const removable = there.filter((path) => own(path) && path.split("/").length > 3);
  const outermost = removable.filter((path) => !removable.some((other) => path.startsWith(`${other}/`)));
  if (purge) kept.push(...there.filter((path) => !removable.includes(path)));
  const purged = purge ? outermost.map((path): HostChange => ({ kind: "purge", path })) : [];
  return [
    ...purged,
    ...removed(
      from.tmpfiles.made.filter(({ path }) => own(path)),
      facts,
    ),
  ];
}

function made(directories: readonly MadeDirectory[], facts: HostFacts): readonly HostChange[] {
  return directories
    .filter(({ path }) => facts.at(path).kind === "missing")
    .map(({ path, mode }) => ({ kind: "directory", path, to: mode }));
}

function notAmong(directories: readonly MadeDirectory[], others: readonly MadeDirectory[]): readonly MadeDirectory[] {
  return directories.filter(({ path }) => !others.some((other) => other.path === path));
}

/** Those that are there, and as they are: what is taken back makes no more of them. */
function removed(directories: readonly MadeDirectory[], facts: HostFacts): readonly HostChange[] {
  return directories.toReversed().flatMap(({ path }): readonly HostChange[] => {
    const fact = facts.at(path);
    return fact.kind === "directory" ? [{ kind: "directory", path, from: fact.mode }] : [];
  });
}

interface FilePlan {
  readonly kept: string[];
  file(path: string, from: FileState | undefined, to: FileState | undefined): readonly HostChange[];
  symlink(path: string, from: string | undefined, to: string | undefined): readonly HostChange[];
  text(from: TextFile | undefined, to: TextFile | undefined): readonly HostChange[];
}

interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Plans single files: one that is no longer as it was written is somebody's work, stays, and is named in `kept`. */
function openFilePlan(facts: HostFacts): FilePlan {
  const kept: string[] = [];
  function file(path: string, from: FileState | undefined, to: FileState | undefined): readonly HostChange[] {
    const fact = facts.at(path);
    if (fact.kind === "missing") return to === undefined ? [] : [{ kind: "file", path, to }];
    const untouched = from !== undefined && fact.kind === "file" && fact.sha256 === from.sha256;
    if (!untouched) {
      kept.push(path);
      return [];
    }
    if (to !== undefined && to.sha256 === from.sha256 && to.mode === from.mode) return [];
    return [{ kind: "file", path, from, ...(to === undefined ? {} : { to }) }];
  }
  return {
    kept,
    file,
    symlink(path, from, to) {
      const fact = facts.at(path);
      if (fact.kind === "missing") return to === undefined ? [] : [{ kind: "symlink", path, to }];
      if (from === undefined || fact.kind !== "symlink" || fact.target !== from) {
        kept.push(path);
        return [];
      }
      return from === to ? [] : [{ kind: "symlink", path, from, ...(to === undefined ? {} : { to }) }];
    },
    text(from, to) {
      const path = to?.path ?? from?.path;
      return path === undefined ? [] : file(path, from && textState(from.text), to && textState(to.text));
    },
  };
}

function hostFiles(from: Deployment | undefined, to: Deployment | undefined, files: FilePlan): readonly HostChange[] {
  const own = (deployment: Deployment | undefined): ReadonlyMap<string, HostFile> =>
    new Map((deployment?.hostFiles ?? []).filter((file) => !file.foreign).map((file) => [file.path, file]));
  const [before, after] = [own(from), own(to)];
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => hostFileChange(path, before.get(path), after.get(path), files));
}

function hostFileChange(
  path: string,
  from: HostFile | undefined,
  to: HostFile | undefined,
  files: FilePlan,
): readonly HostChange[] {
  const state = (file: HostFile | undefined): FileState | undefined =>
    file?.kind === "file" ? { mode: file.mode, sha256: file.sha256, content: file.content } : undefined;
  const target = (file: HostFile | undefined): string | undefined =>
    file?.kind === "symlink" ? file.target : undefined;
  if (from?.kind === "symlink" || (from === undefined && to?.kind === "symlink")) {
    if (to?.kind !== "file") return files.symlink(path, target(from), target(to));
    const gone = files.symlink(path, target(from), undefined);
    if (files.kept.includes(path)) return gone;
    return [...gone, { kind: "file", path, to: { mode: to.mode, sha256: to.sha256, content: to.content } }];
  }
  if (to?.kind !== "symlink") return files.file(path, state(from), state(to));
  const gone = files.file(path, state(from), undefined);
  return files.kept.includes(path) ? gone : [...gone, { kind: "symlink", path, to: to.target }];
}
