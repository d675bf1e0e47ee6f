import { statuses } from "../errors.ts";
import { type CheckPlaces, checkDeployment, openTrees } from "../host/check.ts";
import { type InstalledContainer, readContainers, readCurrent } from "../host/deployments.ts";
import { type DriftRow, describeDrift, driftLine } from "../host/drift.ts";
import { isEnabled, readStates } from "../host/service.ts";
import { readSockets, type Socket } from "../host/sockets.ts";
import { readJournal } from "../host/transaction.ts";
import { dropIns } from "../host/unit-origin.ts";
import type { UnitState } from "../host/unit-state.ts";
import { formatTable } from "../output.ts";
import { sameMetadata } from "../store/verify.ts";
import { hostFacts, transactionHost, type World } from "../world.ts";

interface Row {
  readonly name: string;
  readonly generation: number | null;
  readonly state: string;
  readonly enabled: boolean | null;
  /** The service or its socket has failed, or systemd cannot use its unit. */
  readonly failed: boolean;
  /** systemd goes by an older unit than the one on disk. */
  readonly needsReload: boolean;
  readonly findings: readonly DriftRow[];
  readonly dropIns: readonly string[];
  /** What starts it when somebody connects. */
  readonly sockets: readonly Socket[];
  /** Why it cannot be read. */
  readonly problem: string | null;
}

/**
 * Whether all is well: the state of each service, what a look at the current deployment finds that is not as it was
 * installed, and a change that was interrupted. Files of the host are read, of the tree only the inodes. The exit status
 * tells whether it is. With a name, only of that container; throws E_NOT_FOUND.
 */
export async function status(world: World, name?: string): Promise<number> {
  const { paths, output } = world;
  const containers = chosen(paths.deployments, name);
  const states = await readStates(containers, world.systemd);
  const places = {
    ...transactionHost(world),
    paths,
    facts: hostFacts(world),
    trees: openTrees(paths),
    compare: sameMetadata,
  };
  const sockets = await readSockets(containers, world.systemd);
  const rows = containers.map((container): Row => {
    const own = sockets.get(container.name) ?? [];
    const row = describe(container, states, places, world);
    return { ...row, failed: row.failed || own.some(({ state }) => state === "failed"), sockets: own };
  });
  const found = readJournal(places);
  const journal = name === undefined || found?.name === name ? found : undefined;
  const clean = journal === undefined && rows.every(isWell);
  const interrupted = journal === undefined ? null : { verb: journal.verb, name: journal.name };
  output.answer({ clean, interrupted, containers: rows }, [
    ...(interrupted === null
      ? []
      : [`${interrupted.verb} ${interrupted.name} was interrupted; keelson recover finishes it or takes it back`]),
    ...tableOf(rows),
    ...rows.flatMap(linesOf),
  ]);
  return clean ? statuses.done : statuses.drift;
}

function chosen(deployments: string, name: string | undefined): readonly InstalledContainer[] {
  const all = readContainers(deployments);
  if (name === undefined) return all;
  const named = all.filter((container) => container.name === name);
  if (named.length === 0) readCurrent(deployments, name);
  return named;
}

function describe(
  container: InstalledContainer,
  states: ReadonlyMap<string, UnitState>,
  places: CheckPlaces,
  { rootPath, places: unitPlaces }: World,
): Omit<Row, "sockets"> {
  if (container.kind === "broken") {
    const nothing = { generation: null, enabled: null, failed: false, needsReload: false, findings: [], dropIns: [] };
    return { name: container.name, state: "broken", ...nothing, problem: container.reason };
  }
  const { deployment, name } = container;
  const { service, generation } = deployment;
  const state = service === undefined ? undefined : states.get(service.unit);
  const usable = state === undefined || state.loadState === "loaded";
  return {
    name,
    generation,
    state: service === undefined ? "no service" : usable ? (state?.activeState ?? "unknown") : state.loadState,
    enabled: isEnabled(deployment, state),
    failed: !usable || state?.activeState === "failed",
    needsReload: state?.needsReload === true,
    findings: checkDeployment(deployment, true, places).map(describeDrift),
    dropIns: service === undefined ? [] : dropIns(rootPath, service.unit, unitPlaces),
    problem: null,
  };
}

function isWell({ failed, findings, problem }: Row): boolean {
  return !failed && findings.length === 0 && problem === null;
}

function tableOf(rows: readonly Row[]): readonly string[] {
  if (rows.length === 0) return [];
  const cells = rows.map(({ name, generation, state, enabled, findings, dropIns: additions, problem }) => [
    name,
    String(generation ?? "-"),
    state,
    enabled === null ? "-" : enabled ? "yes" : "no",
    problem === null ? String(findings.length) : "-",
    String(additions.length),
  ]);
  return formatTable(["NAME", "GENERATION", "STATE", "ENABLED", "DRIFT", "DROP-INS"], cells);
}

function linesOf({ name, findings, dropIns: additions, problem, needsReload, sockets }: Row): readonly string[] {
  return [
    ...sockets.map(({ unit, state, listen }) => {
      const addresses = listen.map(({ type, address }) => `${type} ${address}`).join(", ");
      return `${name}: ${unit} is ${state}: ${addresses}`;
    }),
    ...findings.map(driftLine),
    ...(problem === null ? [] : [`${name} cannot be read: ${problem}`]),
    ...(needsReload ? [`${name}: systemd has not read its unit since that changed`] : []),
    ...additions.map((path) => `${name}: ${path} adds to the unit`),
  ];
}
