import type { HostChange } from "./change.ts";
import type { DeployedService, Deployment, MadeDirectory } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { type FilePlan, hostFiles, openFilePlan } from "./file-plan.ts";
import { isBelow, type Places } from "./places.ts";
import { planRecovery, planRecoveryRemoval } from "./recovery.ts";
import { planRelations } from "./relation-files.ts";
import { clearsAnything } from "./tmpfiles.ts";
import { unitFilesOf } from "./triggers.ts";
import { alsoInstalled } from "./unit-links.ts";

export interface SwitchRequest {
  /** The unit is up, or on its way up or down. */
  readonly running: boolean;
  /** Sockets and timers of the earlier deployment that are up. */
  readonly triggers?: readonly string[];
  /** Start it at the end, running before or not; or what starts it, where there is that. */
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
  const awake = request.triggers ?? [];
  const stopped = [...awake, ...(stop ? [...(request.dependents?.requiring ?? []), unit] : [])];
  const changes: HostChange[] = stopped.map((each) => ({ kind: "stop", unit: each }));
  const relinked = enablingOf(from) !== enablingOf(to);
  if (from?.service?.enabled && (!to.service?.enabled || relinked)) {
    changes.push(...enabling("disable", from.service));
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
  const units = [...unitTexts(from, to, files), ...planRelations(to.name, to, facts)];
  changes.push(...units, ...removed(notAmong(from?.madeDirectories ?? [], to.madeDirectories), facts));
  if (units.length > 0) changes.push({ kind: "reload" });
  if (to.tmpfiles !== undefined)
    changes.push({ kind: "tmpfiles-create", path: to.tmpfiles.path, made: to.tmpfiles.made });
  if (to.service?.enabled && (!from?.service?.enabled || relinked)) changes.push(...enabling("enable", to.service));
  if (to.service !== undefined) changes.push(...started(to, to.service, stop, request));
  return { changes, kept: files.kept };
}

/** All that enabling a deployment's unit does, as text to be compared. */
function enablingOf(deployment: Deployment | undefined): string {
  return JSON.stringify(
    unitFilesOf(deployment?.service).map(({ unit, text, links }) => [links, alsoInstalled(unit, text)]),
  );
}

/** A service without [Install] is enabled by what starts it alone. */
function enabling(kind: "enable" | "disable", service: DeployedService): readonly HostChange[] {
  const { triggers = [], unit, links } = service;
  const own = triggers.length === 0 || links.length > 0 ? [{ kind, unit, links }] : [];
  return [...own, ...triggers.map((trigger) => ({ kind, unit: trigger.unit, links: trigger.links }))];
}

/** What starts the service comes after it, and goes before. */
function unitTexts(from: Deployment | undefined, to: Deployment | undefined, files: FilePlan): readonly HostChange[] {
  const [before, after] = [from, to].map(
    (deployment) => new Map(unitFilesOf(deployment?.service).map((file) => [file.path, file])),
  );
  const gone = [...(before?.values() ?? [])].filter(({ path }) => !after?.has(path)).reverse();
  return [
    ...gone.flatMap((file) => files.text(file, undefined)),
    ...[...(after?.values() ?? [])].flatMap((file) => files.text(before?.get(file.path), file)),
  ];
}

/** The service, then what requires it, and a watch over all that leans on it. */
function started(
  to: Deployment,
  service: DeployedService,
  again: boolean,
  request: SwitchRequest,
): readonly HostChange[] {
  const { triggers = [] } = service;
  const awake = request.start || (request.triggers ?? []).length > 0 ? triggers : [];
  const woken = awake.map((trigger): HostChange => ({ kind: "start", unit: trigger.unit }));
  if (!again && !(request.start && triggers.length === 0)) return woken;
  const { requiring, wanting } = request.dependents ?? { requiring: [], wanting: [] };
  const starts = [service.unit, ...requiring.toReversed()].map((unit): HostChange => ({ kind: "start", unit }));
  if (request.soak === undefined) return [...woken, ...starts];
  const { name, runtime } = to;
  const { unit, health } = service;
  const others = [...requiring, ...wanting];
  return [
    ...woken,
    ...starts,
    { kind: "watch", unit, others, name, runtime, soak: request.soak, ...(health && { health }) },
  ];
}

/**
 * The order of a removal: stop, disable, unit, reload, tmpfiles, host files, link, failure. What is needed to try again goes
 * last.
 */
function planRemoval(from: Deployment, request: SwitchRequest, facts: HostFacts): SwitchPlan {
  const unit = `${from.name}.service`;
  const files = openFilePlan(facts);
  const changes: HostChange[] = [];
  if (from.service !== undefined) {
    // Others may keep it up, and would start it again and again while it goes.
    const relations = planRelations(from.name, undefined, facts);
    if (request.running && relations.length > 0) changes.push(...relations, { kind: "reload" });
    changes.push(...(request.triggers ?? []).map((each): HostChange => ({ kind: "stop", unit: each })));
    if (request.running) changes.push({ kind: "stop", unit });
    if (from.service.enabled) changes.push(...enabling("disable", from.service));
    changes.push(...unitTexts(from, undefined, files), ...(request.running ? [] : relations), { kind: "reload" });
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
  const removable = there.filter((path) => own(path) && path.split("/").length > 3 && isPurged(path, facts.places));
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

/** Of a user's home, only what keeps state and configuration of programs. */
function isPurged(path: string, { user, state, conf }: Places): boolean {
  return user === undefined || isBelow(path, state) || isBelow(path, conf);
}

function made(directories: readonly MadeDirectory[], facts: HostFacts): readonly HostChange[] {
  return directories.flatMap(({ path, mode }): readonly HostChange[] => {
    const fact = facts.at(path);
    // Files go there before systemd-tmpfiles comes to it for another container of the same change.
    const needed = fact.kind === "missing" || (fact.kind === "directory" && fact.awaited);
    return needed ? [{ kind: "directory", path, to: mode }] : [];
  });
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
