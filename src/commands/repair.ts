import { KeelsonError, statuses } from "../errors.ts";
import { type CheckPlaces, checkAll, checkContainer, openTrees } from "../host/check.ts";
import { readCurrent } from "../host/deployments.ts";
import { type Drift, type DriftRow, describeDrift, driftLine } from "../host/drift.ts";
import { readHolders } from "../host/generations.ts";
import { healFile, placesOf } from "../host/heal.ts";
import { readRunning } from "../host/service.ts";
import { dropInsOf } from "../host/unit-origin.ts";
import type { Deployment } from "../plan/deployment.ts";
import { unitFilesOf } from "../plan/triggers.ts";
import { syncFileSystem } from "../store/durable.ts";
import { healEntry, objectsOfEntry } from "../store/heal.ts";
import { openRepository } from "../store/repository.ts";
import { compareContent, openObjectNames, type TreeFinding } from "../store/verify.ts";
import { isWhole } from "../store/verify-store.ts";
import { asSweeper, hostFacts, transactionHost, type World } from "../world.ts";
import { healLists, healRefs } from "./repair/lists.ts";
import { healObjects } from "./repair/objects.ts";
import { attempt, reasonOf, sourceOf, type Work } from "./repair/work.ts";

export interface RepairRequest {
  readonly name?: string | undefined;
  readonly tlsVerify: boolean;
}

interface Repaired extends DriftRow {
  /** Where it came from. */
  readonly source: string;
}

interface Outcome {
  readonly repaired: readonly Repaired[];
  readonly findings: readonly (DriftRow & { readonly reason: string })[];
  /** Units that run with what was there before. */
  readonly restart: readonly string[];
}

/**
 * Puts right what verify finds, in one container or in all and the store: from the store, from another deployment, from
 * the layer it came in, which is fetched, or from the record. What is in use is never written to. What could not be
 * healed is named with the reason. The exit status tells whether there is any.
 */
export async function repair(world: World, request: RepairRequest): Promise<number> {
  const { repaired, findings, restart } = await asSweeper(world, "verify --repair", () => heal(world, request));
  const clean = findings.length === 0;
  const lines = [
    ...repaired.map(({ container, path, problem, source }) =>
      problem === "foreign"
        ? `${container}: ${path} was foreign and is removed`
        : `${container ?? "store"}: ${path} was ${problem} and is healed from ${source}`,
    ),
    ...findings.map((row) => `${driftLine(row)}: ${row.reason}`),
    ...restart.map((unit) => `${unit} runs with what was there before: systemctl restart ${unit}`),
  ];
  const dropIns = dropInsOf(
    world.rootPath,
    readHolders(world.paths.deployments).flatMap(({ current, deployment }) => (current ? [deployment] : [])),
    world.places,
  );
  world.output.answer(
    { clean, repaired, findings, restart, dropIns },
    lines.length === 0 ? ["all is as it was installed"] : lines,
  );
  return clean ? statuses.done : statuses.drift;
}

async function heal(world: World, request: RepairRequest): Promise<Outcome> {
  if (request.name !== undefined) readCurrent(world.paths.deployments, request.name);
  const work = begin(world, request);
  const seen = new Map<string, Drift>();
  const look = (): readonly Drift[] => {
    const drifts = check(work, request.name);
    for (const drift of drifts) seen.set(keyOf(drift), drift);
    return drifts;
  };
  await healLists(work, look);
  await healObjects(work, look());
  const drifts = look();
  await healEntries(work, drifts);
  await healFiles(work, drifts);
  await healRefs(work, drifts);
  const left = look();
  const keys = new Set(left.map(keyOf));
  const healed = [...seen.values()].filter((drift) => !keys.has(keyOf(drift)));
  return {
    repaired: healed.map((drift) => ({ ...describeDrift(drift), source: sourceOf(work, drift) })),
    findings: left.map((drift) => ({ ...describeDrift(drift), reason: reasonOf(work, drift) })),
    restart: await outdatedUnits(world, healed),
  };
}

function begin(world: World, { tlsVerify }: RepairRequest): Work {
  const nameObject = openObjectNames();
  const { paths } = world;
  const places = (): CheckPlaces => {
    return {
      ...transactionHost(world),
      paths,
      facts: hostFacts(world),
      trees: openTrees(paths),
      compare: compareContent(nameObject),
    };
  };
  return { world, tlsVerify, nameObject, places, sources: new Map(), reasons: new Map(), replaced: new Set() };
}

/** One container or everything; and whatever other deployment has an object that was written anew. */
function check(work: Work, name: string | undefined): readonly Drift[] {
  const places = work.places();
  const own = name === undefined ? checkAll(places, work.nameObject) : checkContainer(name, places);
  const linked = placesOf(work.replaced, places).flatMap(({ holder, node, path, problem }): readonly Drift[] => {
    // What is missing elsewhere was not asked about; what is changed has the damaged inode.
    if (problem !== "changed") return [];
    return [{ kind: "tree", container: holder.name, generation: holder.number, finding: { path, problem, node } }];
  });
  return [...new Map([...own, ...linked].map((drift) => [keyOf(drift), drift])).values()];
}

async function healEntries(work: Work, drifts: readonly Drift[]): Promise<void> {
  const findings = drifts.flatMap((drift) => (drift.kind === "tree" ? [drift.finding] : []));
  if (findings.length === 0) return;
  const { repository: path } = work.world.paths;
  const repository = openRepository(path);
  for (const finding of findings) {
    work.world.signal.throwIfAborted();
    await attempt(work, [finding.path], () => {
      checkObjects(work, finding);
      healEntry(finding, repository);
    });
  }
  syncFileSystem(path);
  repository.discard();
}

/** A link of a damaged object would be no better than what is there. */
function checkObjects(work: Work, finding: TreeFinding): void {
  const lost = objectsOfEntry(finding).find((object) => !isWhole(work.world.paths, object, work.nameObject));
  if (lost === undefined) return;
  throw new KeelsonError("E_STORE", work.reasons.get(lost) ?? `object ${lost} is lost or damaged`, {
    hint: "Pull the image again.",
  });
}

async function healFiles(work: Work, drifts: readonly Drift[]): Promise<void> {
  const host = transactionHost(work.world);
  let unread = false;
  for (const drift of drifts) {
    if (drift.kind !== "file") continue;
    const { deployment, finding } = drift;
    await attempt(work, [finding.path], () => {
      healFile(finding, deployment, host);
      unread ||= isOfUnit(finding.path, deployment);
    });
  }
  if (unread) await work.world.systemd.reload();
}

function isOfUnit(path: string, { service }: Deployment): boolean {
  return unitFilesOf(service).some((unit) => unit.path === path || unit.links.some((link) => link.path === path));
}

/** Units that run, and that were started with something that has been healed since. */
async function outdatedUnits(world: World, healed: readonly Drift[]): Promise<readonly string[]> {
  const units: string[] = [];
  for (const { name, number, current, deployment } of readHolders(world.paths.deployments)) {
    const concerned = healed.some((drift) => {
      if (!("generation" in drift) || drift.container !== name || drift.generation !== number) return false;
      return (
        drift.kind === "tree" ||
        drift.finding.path.endsWith("/config.json") ||
        drift.finding.path === deployment.service?.path
      );
    });
    if (current && concerned && deployment.service !== undefined && (await readRunning(deployment, world.systemd)))
      units.push(deployment.service.unit);
  }
  return units;
}

function keyOf(drift: Drift): string {
  const { container, generation, path } = describeDrift(drift);
  const image = drift.kind === "store" && drift.finding.part === "index" ? drift.finding.image.digest : "";
  return JSON.stringify([container, generation, path, image]);
}
