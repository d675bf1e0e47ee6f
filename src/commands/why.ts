import { parseContract, variablesOf } from "../contract/contract.ts";
import { inUserWords, statuses } from "../errors.ts";
import { readContainerFacts } from "../host/container-facts.ts";
import { readContainer, readContainers } from "../host/deployments.ts";
import { readJournal } from "../host/transaction.ts";
import { readUnitFacts } from "../host/unit-facts.ts";
import { containerNameOf, parseReference } from "../image/reference.ts";
import type { Cause } from "../plan/causes.ts";
import type { Deployment } from "../plan/deployment.ts";
import { checkName } from "../plan/name.ts";
import { type ContainerFacts, isUp, type UnitFacts } from "../plan/unit-facts.ts";
import { findCauses } from "../plan/why.ts";
import { absentCause, brokenCause, interruptedCause, offlineCauses } from "../plan/why-still.ts";
import { readExports } from "../store/exports.ts";
import { readImages } from "../store/images.ts";
import { readObject, readTree } from "../store/store.ts";
import { transactionHost, type World } from "../world.ts";

/** Says why a container is not up, or up and not well, and what to type next. The exit status tells whether it is. */
export async function why(world: World, given: string): Promise<number> {
  const name = checkName(given);
  const container = readContainer(world.paths.deployments, name);
  if (container === undefined) {
    tell(world, name, [absentCause(name, imageFor(world, name))]);
    return statuses.absent;
  }
  const journal = readJournal(transactionHost(world));
  const causes = [
    ...(journal?.name === name ? [interruptedCause(name, journal.verb)] : []),
    ...(container.kind === "broken"
      ? [brokenCause(name, container.reason)]
      : await serviceCauses(world, container.deployment)),
  ];
  tell(world, name, causes);
  return causes.length === 0 ? statuses.done : statuses.drift;
}

async function serviceCauses(world: World, { service, name }: Deployment): Promise<readonly Cause[]> {
  if (service === undefined) return [];
  const { bus } = world.systemd;
  if (bus === undefined) {
    const state = (await world.systemd.states([service.unit])).get(service.unit);
    return offlineCauses(name, service.unit, state?.loadState ?? "not-found", state?.unitFileState ?? "");
  }
  const facts = await readUnitFacts(await bus(), service.unit, world.systemd.scope);
  return findCauses(service.unit, facts, await containersAmong(world, facts));
}

/** What is known of the containers whose units these are. */
async function containersAmong(
  world: World,
  facts: ReadonlyMap<string, UnitFacts>,
): Promise<ReadonlyMap<string, ContainerFacts>> {
  const found = new Map<string, ContainerFacts>();
  for (const container of readContainers(world.paths.deployments)) {
    if (container.kind === "broken") continue;
    const { deployment, name } = container;
    const unit = facts.get(deployment.service?.unit ?? "");
    if (unit === undefined) continue;
    const bundle = `${world.paths.deployments}/${name}/current`;
    found.set(unit.unit, await readContainerFacts(deployment, bundle, isUp(unit)));
  }
  return found;
}

/** The image in the store that would get this name, with the values that it wants. */
function imageFor(world: World, name: string): Parameters<typeof absentCause>[1] {
  const image = readImages(world.paths.images).find(
    ({ reference }) => reference !== undefined && containerNameOf(parseReference(reference)) === name,
  );
  const tree = image === undefined ? undefined : readTree(world.paths, image);
  if (image?.reference === undefined || tree === undefined) return undefined;
  const contract = parseContract(
    readExports(tree, (file) => readObject(world.paths, file.object), world.settings.templateSize),
  );
  return { reference: image.reference, required: variablesOf(contract).required };
}

function tell(world: World, name: string, found: readonly Cause[]): void {
  const causes =
    world.places.user === undefined ? found : found.map((cause) => ({ ...cause, next: inUserWords(cause.next) }));
  const lines = causes.flatMap(({ of, text, code, next }) => [`${of}: ${text} (${code})`, `  ${next}`]);
  world.output.answer({ name, well: causes.length === 0, causes }, causes.length === 0 ? [`${name} is well`] : lines);
}
