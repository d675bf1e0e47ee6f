import type { Digest } from "../image/digest.ts";
import { formatReference, parseReference, type Reference, type StoreReference } from "../image/reference.ts";
import { readStoredDocument } from "./documents.ts";
import { readImages, type StoredImage } from "./images.ts";
import { readLayerTar } from "./layer-tar.ts";
import type { StorePaths } from "./store.ts";

/** The images of a store as a source of images. */
export interface ImageStore {
  find(reference: StoreReference): { readonly manifestBytes: Uint8Array; readonly configBytes: Uint8Array } | undefined;
  names(): readonly string[];
  readTar(diffIds: readonly Digest[]): AsyncIterable<Uint8Array>;
}

/** Opens nothing before it is asked. */
export function openImageStore(paths: StorePaths): ImageStore {
  return {
    find: (reference) => {
      const image = findStored(paths.images, reference);
      const manifestBytes = image && readStoredDocument(paths.images, image.digest);
      const configBytes = image && readStoredDocument(paths.images, image.id);
      return manifestBytes && configBytes && { manifestBytes, configBytes };
    },
    names: () =>
      readImages(paths.images)
        .map(nameOf)
        .filter((name) => !name.startsWith("ostree:")),
    readTar: (diffIds) => readLayerTar(paths, diffIds),
  };
}

/**
 * The name that an image came into the store by, which is what policies are asked about; the reference itself where it has
 * none.
 */
export function ownName(images: string, reference: Reference): Reference {
  if (reference.kind !== "ostree") return reference;
  if ("name" in reference) return reference.name;
  const name = findStored(images, reference)?.reference;
  return name === undefined ? reference : parseReference(name);
}

function findStored(images: string, reference: StoreReference): StoredImage | undefined {
  // Names that point into the store are no names of their own.
  const all = readImages(images).filter((image) => !nameOf(image).startsWith("ostree:"));
  if ("name" in reference) return all.find((image) => image.reference === formatReference(reference.name));
  const found = all.filter(({ digest, id }) => digest === reference.digest || id === reference.digest);
  return found.find((image) => image.reference !== undefined) ?? found[0];
}

function nameOf({ reference, digest }: StoredImage): string {
  return reference ?? digest;
}
