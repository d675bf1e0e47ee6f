import { KeelsonError } from "../../errors.ts";
import type { Drift } from "../../host/drift.ts";
import type { Digest } from "../../image/digest.ts";
import { listFile } from "../../store/change-list.ts";
import { readStoredDocument, writeDocuments } from "../../store/documents.ts";
import { writeAllDurably } from "../../store/durable.ts";
import { imageRef, indexPath, readImages, writeImage } from "../../store/images.ts";
import { removeFile } from "../../store/remove.ts";
import { openRepository, writeRef } from "../../store/repository.ts";
import { type StoreFinding, verifyLists } from "../../store/verify-store.ts";
import { fetchDocuments, fetchLayer, type KnownImage, knownImages, knownLayers } from "./lost.ts";
import { attempt, type Work } from "./work.ts";

/**
 * Brings back what says what is in the images: manifests, configurations and change lists, which are fetched, and rows of
 * the list of images, which deployments know.
 */
export async function healLists(work: Work, look: () => readonly Drift[]): Promise<void> {
  const findingsNow = (): readonly StoreFinding[] =>
    look().flatMap((drift) => (drift.kind === "store" ? [drift.finding] : []));
  let findings = findingsNow();
  if (findings.some(({ part }) => part === "list")) {
    removeFile(indexPath(work.world.paths.images));
    work.world.output.warn("the list of images was damaged: those that no container uses are to be pulled again");
    findings = findingsNow();
  }
  for (const image of knownImages(work.world.paths)) {
    const pathsOf = (part: StoreFinding["part"]): readonly string[] =>
      findings.filter((finding) => isOf(finding, part, image.digest)).map(({ path }) => path);
    const documents = pathsOf("document");
    if (documents.length > 0) await healDocuments(work, image, documents);
    if (documents.length + pathsOf("layer").length > 0) await healChangeLists(work, image);
    if (pathsOf("index").length > 0) await healIndex(work, image, pathsOf("index"));
  }
}

/** Makes the refs of images name their commits again, as far as those are there. */
export async function healRefs(work: Work, drifts: readonly Drift[]): Promise<void> {
  const repository = openRepository(work.world.paths.repository);
  for (const drift of drifts) {
    if (drift.kind !== "store" || drift.finding.part !== "ref") continue;
    const { path, image } = drift.finding;
    await attempt(work, [path], () => {
      repository.locate(image.commit, "commit");
      writeRef(repository, imageRef(image.digest), image.commit);
    });
  }
}

async function healDocuments(work: Work, image: KnownImage, keys: readonly string[]): Promise<void> {
  await attempt(work, keys, async () => {
    const { value, from } = await fetchDocuments(work.world, image, work.tlsVerify);
    writeDocuments(work.world.paths.images, value.manifestBytes, value.configBytes);
    for (const key of keys) work.sources.set(key, from);
  });
}

async function healChangeLists(work: Work, image: KnownImage): Promise<void> {
  const { paths } = work.world;
  for (const finding of verifyLists(paths, image)) {
    if (finding.part !== "layer") continue;
    const lost = knownLayers(paths, knownImages(paths)).find(({ diffId }) => diffId === finding.diffId);
    if (lost === undefined) continue;
    const repository = openRepository(paths.repository);
    await attempt(work, [finding.path], async () => {
      const { value, from } = await fetchLayer(work.world, lost, repository, work.tlsVerify);
      // The list stands in the staging area: it leaves it before it is cleared.
      writeAllDurably([listFile(paths.images, finding.diffId, value)]);
      repository.publish();
      work.sources.set(finding.path, from);
    });
  }
}

/** Under its name only while no other image has that. */
async function healIndex(work: Work, image: KnownImage, keys: readonly string[]): Promise<void> {
  const { images } = work.world.paths;
  await attempt(work, keys, () => {
    const [manifest, config] = [image.digest, image.id].map((digest) => readStoredDocument(images, digest));
    if (manifest === undefined || config === undefined) throw lostDocument(image.digest);
    const taken = new Set(readImages(images).map(({ reference }) => reference));
    const reference = image.references.find((name) => !taken.has(name));
    const { digest, id, commit, verified } = image;
    const known = { digest, id, commit, ...(verified === undefined ? {} : { verified }) };
    const row = { ...known, pulled: work.world.now().toISOString(), kept: false };
    writeImage(images, reference === undefined ? row : { ...row, reference }, manifest, config);
    for (const key of keys) work.sources.set(key, "the deployments");
  });
}

function isOf(finding: StoreFinding, part: StoreFinding["part"], digest: Digest): boolean {
  return finding.part === part && "image" in finding && finding.image.digest === digest;
}

function lostDocument(digest: Digest): KeelsonError {
  return new KeelsonError("E_STORE", `the manifest or configuration of ${digest} is lost`, {
    hint: "Pull the image by its digest.",
  });
}
