import { existsSync } from "node:fs";
import { join } from "node:path";
import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import type { Deployment } from "../plan/deployment.ts";
import { type ImageIdentity, indexPath, readImages } from "../store/images.ts";
import { readTree, type StorePaths } from "../store/store.ts";
import type { Compare, Finding, NameObject } from "../store/verify.ts";
import { type StoreFinding, verifyLists, verifyStore } from "../store/verify-store.ts";
import { readContainers } from "./deployments.ts";
import type { Drift } from "./drift.ts";
import { readGenerations, readHolders } from "./generations.ts";
import { type DeploymentPlaces, verifyFiles, verifyRootfs } from "./verify.ts";

/** What a check reads, and how it compares the entries of a tree. */
export interface CheckPlaces extends DeploymentPlaces {
  readonly paths: StorePaths;
  readonly trees: Trees;
  readonly compare: Compare;
}

/** The tree of an image; undefined while its documents or change lists are lost or damaged. */
export type Trees = (image: ImageIdentity) => DirectoryNode | undefined;

/** Reads each image once. */
export function openTrees(paths: StorePaths): Trees {
  const trees = new Map<Digest, DirectoryNode | undefined>();
  return (image) => {
    if (!trees.has(image.digest)) trees.set(image.digest, treeOf(paths, image));
    return trees.get(image.digest);
  };
}

/**
 * What of one deployment is not as its record and its image have it; of the `current` one, on the host too. Where nobody
 * knows what is in the image, the reason of that.
 */
export function checkDeployment(deployment: Deployment, current: boolean, places: CheckPlaces): readonly Drift[] {
  const { name: container, generation, image } = deployment;
  const tree = places.trees(image);
  const entries = tree === undefined ? [] : verifyRootfs(deployment, tree, places, places.compare);
  const files = verifyFiles(deployment, current, places);
  return [
    ...entries.map((finding): Drift => ({ kind: "tree", container, generation, finding })),
    ...files.map((finding): Drift => ({ kind: "file", container, generation, deployment, finding })),
    ...(tree === undefined ? ofStore(verifyLists(places.paths, image)) : []),
  ];
}

/** What of a container is not as it was installed, in all its deployments. */
export function checkContainer(name: string, places: CheckPlaces): readonly Drift[] {
  const directory = places.paths.deployments;
  const drifts = readGenerations(directory, name).flatMap(({ number, current, deployment }): readonly Drift[] => {
    if (deployment !== undefined) return checkDeployment(deployment, current, places);
    const path = join(directory, name, String(number), "deployment.json");
    const finding: Finding = { path, problem: existsSync(path) ? "changed" : "missing" };
    return [{ kind: "record", container: name, generation: number, finding }];
  });
  return withoutRepeats(drifts);
}

/** What of all containers and of the store is not as it was. */
export function checkAll(places: CheckPlaces, nameObject: NameObject): readonly Drift[] {
  const { paths } = places;
  const containers = readContainers(paths.deployments);
  const named = imagesAtHand(paths);
  const used = readHolders(paths.deployments).map(({ deployment }) => deployment.image);
  const lost = named && used.filter(({ digest }) => !named.some((image) => image.digest === digest));
  const index = { path: indexPath(paths.images), problem: "changed" } as const;
  return withoutRepeats([
    ...containers.flatMap((container): readonly Drift[] =>
      container.kind === "installed"
        ? checkContainer(container.name, places)
        : [{ kind: "broken", container: container.name, reason: container.reason }],
    ),
    ...ofStore(verifyStore(paths, [...used, ...(named ?? [])], nameObject)),
    ...ofStore(lost?.map((image) => ({ ...index, part: "index", image })) ?? [{ ...index, part: "list" }]),
  ]);
}

/** undefined when the list of them cannot be read. */
function imagesAtHand(paths: StorePaths): readonly ImageIdentity[] | undefined {
  try {
    return readImages(paths.images);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return undefined;
    throw error;
  }
}

/** Several deployments may be of one image. */
function withoutRepeats(drifts: readonly Drift[]): readonly Drift[] {
  const seen = new Set<string>();
  return drifts.filter((drift) => {
    if (drift.kind !== "store") return true;
    const key = `${drift.finding.path} ${drift.finding.part === "index" ? drift.finding.image.digest : ""}`;
    return !seen.has(key) && seen.add(key);
  });
}

function ofStore(findings: readonly StoreFinding[]): readonly Drift[] {
  return findings.map((finding) => ({ kind: "store", finding }));
}

function treeOf(paths: StorePaths, image: ImageIdentity): DirectoryNode | undefined {
  try {
    return readTree(paths, image);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_STORE") return undefined;
    throw error;
  }
}
