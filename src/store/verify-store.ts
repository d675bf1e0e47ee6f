import { lstatSync, readFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../errors.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import type { LayerChange, ObjectName } from "../layer/change.ts";
import { changeListPath, readWholeChangeList } from "./change-list.ts";
import { blobPath, readDocuments } from "./documents.ts";
import { type ImageIdentity, imageRef } from "./images.ts";
import { metadataName, objectPath } from "./object.ts";
import { refPath } from "./repository.ts";
import { objectsOf, type StorePaths } from "./store.ts";
import type { Finding, NameObject } from "./verify.ts";

/**
 * What of the store is not as it was written, and what it is a part of. `list`: the list of images cannot be read; `index`:
 * it lacks an image that a deployment is of. `object` is a path below `objects/`.
 */
export type StoreFinding = Finding &
  (
    | { readonly part: "list" }
    | { readonly part: "document" | "ref" | "index"; readonly image: ImageIdentity }
    | { readonly part: "layer"; readonly image: ImageIdentity; readonly diffId: Digest }
    | { readonly part: "object"; readonly object: string }
  );

/** The change lists of an image, lowest first; undefined for one that is lost or damaged, or for all when its documents are. */
export function layersAtHand(
  paths: StorePaths,
  image: ImageIdentity,
): readonly (readonly LayerChange[] | undefined)[] | undefined {
  if (documentFindings(paths, image).length > 0) return undefined;
  return diffIdsOf(paths, image).map((diffId) => readWholeChangeList(paths.images, diffId));
}

/** What of an image's documents and change lists is lost or damaged: without them nobody knows what is in it. */
export function verifyLists(paths: StorePaths, image: ImageIdentity): readonly StoreFinding[] {
  const documents = documentFindings(paths, image);
  if (documents.length > 0) return documents;
  return diffIdsOf(paths, image).flatMap((diffId): readonly StoreFinding[] => {
    if (readWholeChangeList(paths.images, diffId) !== undefined) return [];
    return [{ ...presence(changeListPath(paths.images, diffId)), part: "layer", image, diffId }];
  });
}

/** What of these images is lost or damaged: documents, change lists, refs, and every object, read and hashed. */
export function verifyStore(
  paths: StorePaths,
  images: readonly ImageIdentity[],
  nameObject: NameObject,
): readonly StoreFinding[] {
  const distinct = [...new Map(images.map((image) => [image.digest, image])).values()];
  const objects = new Set(distinct.flatMap((image) => objectsAtHand(paths, image)));
  const findings = [
    ...distinct.flatMap((image) => [...verifyLists(paths, image), ...refFindings(paths, image)]),
    ...[...objects].flatMap((object) => objectFindings(paths, object, nameObject)),
  ];
  return [...new Map(findings.map((finding) => [finding.path, finding])).values()];
}

/** Whether a content object stands in the store and is what its name says. */
export function isWhole(paths: StorePaths, object: ObjectName, nameObject: NameObject): boolean {
  return objectFindings(paths, objectPath(object, "file"), nameObject).length === 0;
}

function objectsAtHand(paths: StorePaths, image: ImageIdentity): readonly string[] {
  const layers = layersAtHand(paths, image);
  if (layers === undefined) return [];
  const whole = layers.filter((layer) => layer !== undefined);
  if (whole.length === layers.length) return objectsOf(image, whole);
  return whole.flat().flatMap((change) => ("object" in change ? [objectPath(change.object, "file")] : []));
}

function objectFindings(paths: StorePaths, object: string, nameObject: NameObject): readonly StoreFinding[] {
  const path = join(paths.repository, "objects", object);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [{ path, problem: "missing", part: "object", object }];
  const [name = "", kind] = object.replace("/", "").split(".");
  const actual = kind === "file" ? nameObject(Buffer.from(path), stat) : metadataNameAt(path, stat);
  return actual === name ? [] : [{ path, problem: "changed", part: "object", object }];
}

function metadataNameAt(path: string, stat: Stats): string | undefined {
  return stat.isFile() ? metadataName(readFileSync(path)) : undefined;
}

function documentFindings(paths: StorePaths, image: ImageIdentity): readonly StoreFinding[] {
  return [image.digest, image.id].flatMap((digest): readonly StoreFinding[] => {
    const path = blobPath(paths.images, digest);
    const bytes = bytesAt(path);
    return bytes !== undefined && digestOf(bytes) === digest ? [] : [{ ...presence(path), part: "document", image }];
  });
}

function refFindings(paths: StorePaths, image: ImageIdentity): readonly StoreFinding[] {
  const path = refPath(paths.repository, imageRef(image.digest));
  return bytesAt(path)?.toString() === `${image.commit}\n` ? [] : [{ ...presence(path), part: "ref", image }];
}

function diffIdsOf(paths: StorePaths, image: ImageIdentity): readonly Digest[] {
  return readDocuments(paths.images, image).config.diffIds;
}

function presence(path: string): Finding {
  const there = lstatSync(path, { throwIfNoEntry: false });
  return { path, problem: there === undefined ? "missing" : "changed" };
}

/** undefined for what is no file that can be read. */
function bytesAt(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EISDIR") return undefined;
    throw error;
  }
}
