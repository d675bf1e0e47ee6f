import { statuses } from "../errors.ts";
import { applyPrune, type PrunePlan, planPrune } from "../host/prune.ts";
import { readJournal } from "../host/transaction.ts";
import { shownPath } from "../layer/path.ts";
import { formatSize } from "../output.ts";
import { asSweeper, transactionHost, type World } from "../world.ts";

/** Removes what nobody needs any more: deployments, images, layers, objects, what crashes left. The exit status. */
export async function prune(world: World, dryRun: boolean): Promise<number> {
  const { paths, settings, output } = world;
  if (dryRun) {
    if (readJournal(transactionHost(world)) !== undefined)
      output.message("an interrupted change is finished or taken back first");
    const plan = planPrune(paths, settings.keep);
    return answer(world, plan, "would free", isEmpty(plan) ? statuses.done : statuses.changes);
  }
  const plan = await asSweeper(world, "prune", async () => {
    const planned = planPrune(paths, settings.keep);
    if (!isEmpty(planned)) applyPrune(paths, planned);
    return planned;
  });
  return answer(world, plan, "freed", statuses.done);
}

function answer(world: World, plan: PrunePlan, freed: string, status: number): number {
  for (const name of plan.unreadable) world.output.warn(`${name} is broken: no image is removed, it may need any`);
  const { generations, images, store } = plan;
  const counts = {
    refs: store.refs.length,
    documents: store.documents.length,
    layers: store.layers.length,
    objects: store.objects.length,
  };
  const leftovers = [...plan.leftovers, ...store.leftovers].map(shownPath);
  const document = {
    deployments: generations.map(({ name, number }) => ({ name, generation: number })),
    images: images.map(({ reference = null, digest, id }) => ({ reference, digest, id })),
    ...counts,
    leftovers,
    freed: plan.freed,
  };
  const counted = Object.entries(counts).filter(([, count]) => count > 0);
  const lines = [
    ...generations.map(({ name, number }) => `deployment ${number} of ${name}`),
    ...images.map(({ reference, digest }) => `image ${reference ?? "<none>"} (${digest})`),
    ...leftovers.map((path) => `leftover ${path}`),
    ...(counted.length === 0 ? [] : [counted.map(([what, count]) => `${what}: ${count}`).join(", ")]),
  ];
  world.output.answer(
    document,
    lines.length === 0 ? ["nothing to prune"] : [...lines, `${freed} ${formatSize(plan.freed)}`],
  );
  return status;
}

function isEmpty({ generations, images, leftovers, store }: PrunePlan): boolean {
  return [generations, images, leftovers, ...Object.values(store)].every((list) => list.length === 0);
}
