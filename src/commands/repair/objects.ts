import { renameSync } from "node:fs";
import type { Drift } from "../../host/drift.ts";
import { placesOf } from "../../host/heal.ts";
import type { ObjectName } from "../../layer/change.ts";
import { linkOrCopy } from "../../store/checkout.ts";
import { readDocuments } from "../../store/documents.ts";
import { objectsOfEntry } from "../../store/heal.ts";
import { objectName, objectPath } from "../../store/object.ts";
import { openRepository, type Repository } from "../../store/repository.ts";
import { stageImageCommit } from "../../store/stage.ts";
import { isWhole, layersAtHand } from "../../store/verify-store.ts";
import { fetchLayer, type KnownImage, knownImages, knownLayers, type LostLayer } from "./lost.ts";
import { attempt, type Work } from "./work.ts";

/**
 * Writes anew every object that is lost or damaged and that these drifts are about: from a deployment that has it whole,
 * else out of a layer that is fetched, as few of them as will do; what OSTree keeps of directories from the change lists.
 */
export async function healObjects(work: Work, drifts: readonly Drift[]): Promise<void> {
  const { paths } = work.world;
  const damaged = damagedObjects(work, drifts);
  if (damaged.size === 0) return;
  const repository = openRepository(paths.repository, { damaged });
  const content = [...damaged].filter((object) => object.endsWith(".file")).map(objectName);
  const isLacking = (object: ObjectName): boolean => !repository.has(object, "file");
  try {
    await copyObjects(work, new Set(content), repository);
    await fetchObjects(work, () => content.filter(isLacking), repository);
    if (content.length < damaged.size) await healMetadata(work, repository);
  } finally {
    repository.discard();
  }
  for (const object of content) if (!isLacking(object)) work.replaced.add(object);
}

/** As paths below `objects/`. */
function damagedObjects(work: Work, drifts: readonly Drift[]): ReadonlySet<string> {
  const damaged = new Set<string>();
  const wanted = new Set<ObjectName>();
  for (const drift of drifts) {
    if (drift.kind === "store" && drift.finding.part === "object") damaged.add(drift.finding.object);
    if (drift.kind === "tree") for (const object of objectsOfEntry(drift.finding)) wanted.add(object);
    if (drift.kind === "file" && drift.finding.expected.kind === "file") {
      const { content } = drift.finding.expected;
      if (content.kind === "object") wanted.add(content.object);
    }
  }
  for (const object of wanted)
    if (!isWhole(work.world.paths, object, work.nameObject)) damaged.add(objectPath(object, "file"));
  return damaged;
}

async function copyObjects(work: Work, content: ReadonlySet<ObjectName>, repository: Repository): Promise<void> {
  for (const { node, path, problem, holder } of placesOf(content, work.places())) {
    if (problem !== undefined || repository.has(node.object, "file")) continue;
    await attempt(work, [node.object], () => {
      const made = repository.scratchPath();
      linkOrCopy(node, Buffer.from(path, "latin1"), Buffer.from(made));
      renameSync(made, repository.stagePath(node.object, "file"));
      work.sources.set(node.object, `generation ${holder.number} of ${holder.name}`);
    });
  }
  repository.publish();
}

/** The layer that has most of what is lacking comes first, of equal ones the smaller. */
async function fetchObjects(work: Work, lacking: () => readonly ObjectName[], repository: Repository): Promise<void> {
  const { paths } = work.world;
  const layers = lacking().length === 0 ? [] : contentOfLayers(work, knownImages(paths));
  const left = new Set(layers);
  for (let wanted = lacking(); wanted.length > 0; wanted = lacking()) {
    const worth = (layer: LayerContent): number => wanted.filter((object) => layer.objects.has(object)).length;
    const [best] = [...left].sort((a, b) => worth(b) - worth(a) || a.lost.size - b.lost.size);
    if (best === undefined || worth(best) === 0) return;
    left.delete(best);
    const has = wanted.filter((object) => best.objects.has(object));
    await attempt(work, has, async () => {
      const { from } = await fetchLayer(work.world, best.lost, repository, work.tlsVerify);
      repository.publish();
      for (const object of has) work.sources.set(object, from);
    });
  }
}

interface LayerContent {
  readonly lost: LostLayer;
  readonly objects: ReadonlySet<ObjectName>;
}

function contentOfLayers(work: Work, images: readonly KnownImage[]): readonly LayerContent[] {
  const { paths } = work.world;
  const lists = new Map(
    images.flatMap((image) => {
      const layers = layersAtHand(paths, image);
      if (layers === undefined) return [];
      const { diffIds } = readDocuments(paths.images, image).config;
      return layers.map((changes, index) => [diffIds[index], changes] as const);
    }),
  );
  return knownLayers(paths, images).map((lost) => {
    const changes = lists.get(lost.diffId) ?? [];
    return { lost, objects: new Set(changes.flatMap((change) => ("object" in change ? [change.object] : []))) };
  });
}

/** Of every image whose change lists are whole: what is not damaged is not written. */
async function healMetadata(work: Work, repository: Repository): Promise<void> {
  const { paths } = work.world;
  const { trees } = work.places();
  for (const image of knownImages(paths)) {
    const tree = trees(image);
    if (tree === undefined) continue;
    const { config } = readDocuments(paths.images, image);
    await attempt(work, [image.commit], () => {
      stageImageCommit(repository, tree, image.digest, config);
      repository.publish();
    });
  }
}
