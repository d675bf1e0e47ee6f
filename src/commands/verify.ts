import { statuses } from "../errors.ts";
import { checkAll, checkContainer, openTrees } from "../host/check.ts";
import { readContainers, readCurrent } from "../host/deployments.ts";
import { describeDrift, driftLine } from "../host/drift.ts";
import { dropInsOf } from "../host/unit-origin.ts";
import type { Deployment } from "../plan/deployment.ts";
import { compareContent, openObjectNames } from "../store/verify.ts";
import { hostFacts, transactionHost, type World } from "../world.ts";

/**
 * Reads again every byte of a container, or of all and the whole store, and names what is not as it was written, and the
 * additions to units that are the administrator's. The exit status tells whether anything is not as it was.
 */
export async function verify(world: World, name: string | undefined): Promise<number> {
  const { paths, rootPath } = world;
  const deployments = name === undefined ? installed(world) : [readCurrent(paths.deployments, name)];
  const nameObject = openObjectNames();
  const places = {
    ...transactionHost(world),
    paths,
    facts: hostFacts(world),
    trees: openTrees(paths),
    compare: compareContent(nameObject),
  };
  const drifts = name === undefined ? checkAll(places, nameObject) : checkContainer(name, places);
  const rows = drifts.map(describeDrift);
  const additions = dropInsOf(rootPath, deployments, world.places);
  const lines = rows.length > 0 ? rows.map(driftLine) : [`${deployments.length} containers as they were installed`];
  world.output.answer({ clean: rows.length === 0, findings: rows, dropIns: additions }, [
    ...lines,
    ...additions.map(({ container, path }) => `${container}: ${path} adds to the unit`),
  ]);
  return rows.length === 0 ? statuses.done : statuses.drift;
}

function installed(world: World): readonly Deployment[] {
  return readContainers(world.paths.deployments).flatMap((container) =>
    container.kind === "installed" ? [container.deployment] : [],
  );
}
