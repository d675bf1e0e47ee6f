import type { Cause, CauseCode } from "./causes.ts";
import { type ContainerFacts, isUp, type UnitFacts } from "./unit-facts.ts";
import { type Case, commandFor, makeCause } from "./why-case.ts";
import { failureCauses } from "./why-failed.ts";

/**
 * Why a unit is not up, or up and not well; none when all is well. A cause that leads to others, of the same unit or of one
 * that it waits for, stands before them: the last ones are where to begin.
 */
export function findCauses(
  unit: string,
  facts: ReadonlyMap<string, UnitFacts>,
  containers: ReadonlyMap<string, ContainerFacts>,
): readonly Cause[] {
  const seen = new Set<string>();
  const visit = (name: string): readonly Cause[] => {
    const known = facts.get(name);
    if (known === undefined || seen.has(name)) return [];
    seen.add(name);
    const one: Case = { facts: known, container: containers.get(name), up: (other) => isUpIn(facts, other) };
    return [...staleCauses(one), ...causesOf(one, facts, visit)];
  };
  return visit(unit);
}

/** What nobody has said anything of is taken to be up: it is none that was asked about. */
function isUpIn(facts: ReadonlyMap<string, UnitFacts>, unit: string): boolean {
  const known = facts.get(unit);
  return known === undefined || isUp(known);
}

function causesOf(
  one: Case,
  facts: ReadonlyMap<string, UnitFacts>,
  visit: (unit: string) => readonly Cause[],
): readonly Cause[] {
  const unusable = unusableCause(one);
  if (unusable !== undefined) return [unusable];
  if (isUp(one.facts)) return healthCauses(one);
  const awaited = awaitedBy(one);
  if (awaited.length > 0) return [waitingCause(one, awaited), ...awaited.flatMap(visit)];
  const { activeState, subState, result, unmet, job } = one.facts;
  if (job !== undefined && !job.running && activeState === "inactive")
    return [makeCause(one, "WAITING", "its start waits for its turn", "systemctl list-jobs")];
  if (activeState === "deactivating")
    return [makeCause(one, "STOPPING", `it is being stopped (${subState})`, commandFor(one, "follow"))];
  if (activeState === "activating" && subState !== "auto-restart") return [startingCause(one), ...lateCauses(one)];
  if (activeState === "failed" || activeState === "activating" || result !== "success") return failureCauses(one);
  if (unmet.length > 0) return [unmetCause(one)];
  const troubled = troubledBy(one, facts);
  if (troubled.length > 0) return [dependencyCause(one, troubled), ...troubled.flatMap(visit)];
  return [restingCause(one)];
}

function staleCauses(one: Case): readonly Cause[] {
  // Of a unit that it cannot use, systemd does not keep what it has read.
  if (!one.facts.needsReload || one.facts.loadState !== "loaded" || isUp(one.facts)) return [];
  return [makeCause(one, "RELOAD", "its unit has changed since systemd read it", "systemctl daemon-reload")];
}

function unusableCause(one: Case): Cause | undefined {
  const { loadState, loadError, unit } = one.facts;
  const { container } = one;
  const repair = container === undefined ? undefined : `keelson verify --repair ${container.name}`;
  switch (loadState) {
    case "loaded":
      return undefined;
    case "masked":
      return makeCause(one, "MASKED", "its unit is masked", repair ?? `systemctl unmask ${unit}`);
    case "not-found":
      return makeCause(one, "UNIT_MISSING", "there is no such unit", repair ?? `systemctl list-unit-files ${unit}`);
    default:
      return makeCause(
        one,
        "UNIT_INVALID",
        `systemd cannot use its unit: ${loadError || loadState}`,
        `systemd-analyze verify ${unit}`,
      );
  }
}

function healthCauses(one: Case): readonly Cause[] {
  const said = one.container?.unhealthy;
  if (said === undefined) return [];
  return [makeCause(one, "UNHEALTHY", `it runs, but its health check fails: ${said}`, commandFor(one, "logs"))];
}

/** The units that hold up its start: those with jobs before its own, and those that it asks for itself. */
function awaitedBy({ facts, up }: Case): readonly string[] {
  const { job, awaited, activeState } = facts;
  const behind = job === undefined || job.running || activeState !== "inactive" ? [] : job.behind;
  const asked = activeState === "inactive" ? [] : awaited.filter((units) => !units.some(up)).flat();
  return [...new Set([...behind, ...asked])].filter((unit) => unit !== facts.unit);
}

function waitingCause(one: Case, on: readonly string[]): Cause {
  const next = on.map((unit) => `systemctl status ${unit}`).slice(0, 1);
  return makeCause(one, "WAITING", `its start waits for ${on.join(", ")}`, next.join(), on);
}

function startingCause(one: Case): Cause {
  const said = one.facts.output.at(-1);
  const text = `it is starting (${one.facts.subState}), and not ready yet${said === undefined ? "" : `: ${said}`}`;
  return makeCause(one, "STARTING", text, commandFor(one, "follow"));
}

/** What made it start again. */
function lateCauses(one: Case): readonly Cause[] {
  return one.facts.restarts > 0 && one.facts.ended !== undefined ? failureCauses(one) : [];
}

function unmetCause(one: Case): Cause {
  const { unmet, unit } = one.facts;
  const text = `it was not started, as ${unmet.join(" and ")} did not hold`;
  return makeCause(one, "CONDITION", text, `systemctl start ${unit}`);
}

/** Of what it cannot be up without, what is not merely resting. */
function troubledBy({ facts }: Case, all: ReadonlyMap<string, UnitFacts>): readonly string[] {
  return facts.requires.filter((unit) => {
    const other = all.get(unit);
    if (other === undefined || isUp(other)) return false;
    return other.loadState !== "loaded" || other.activeState === "failed" || other.unmet.length > 0;
  });
}

function dependencyCause(one: Case, on: readonly string[]): Cause {
  const text = `it cannot be up without ${on.join(", ")}`;
  return makeCause(one, "DEPENDENCY", text, `systemctl status ${on[0]}`, on);
}

function restingCause(one: Case): Cause {
  const { unit, unitFileState, tried } = one.facts;
  const off = unitFileState === "disabled";
  const code: CauseCode = off ? "DISABLED" : "STOPPED";
  const past = tried ? "it was stopped, or has ended well" : "it has not been started since the host booted";
  return makeCause(
    one,
    code,
    off ? `${past}, and nothing starts it at boot` : past,
    off ? `systemctl enable --now ${unit}` : `systemctl start ${unit}`,
  );
}
