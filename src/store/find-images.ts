import { resolve } from "node:path";
import { KeelsonError, printable } from "../errors.ts";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import type { StoredImage } from "./images.ts";

/**
 * Those of `all` that a person calls `text`: the one of that reference, or every name of the one whose id or digest begins
 * so, in four characters or more. Empty when there is none; throws E_NOT_FOUND when several images begin so.
 */
export function findImages(all: readonly StoredImage[], text: string): readonly StoredImage[] {
  const called = /[/:]/.test(text) && !text.startsWith("sha256:") ? formatReference(readReference(text)) : undefined;
  if (called !== undefined) return all.filter(({ reference }) => reference === called);
  const prefix = text.replace(/^sha256:/, "");
  if (prefix.length < 4) return [];
  const found = all.filter(({ id, digest }) => [id, digest].some((each) => each.startsWith(`sha256:${prefix}`)));
  if (new Set(found.map(({ digest }) => digest)).size <= 1) return found;
  throw new KeelsonError("E_NOT_FOUND", `more than one image begins with ${printable(text)}`, {
    hint: "Give more characters of the id or digest.",
  });
}

/** What a person calls an image; a path is made absolute, so that it means the same when the image is asked for again. */
export function readReference(text: string): Reference {
  const reference = parseReference(text);
  if (reference.kind !== "ostree") return absolute(reference);
  return "name" in reference ? { ...reference, name: absolute(reference.name) } : reference;
}

function absolute<T extends Reference>(reference: T): T {
  return "path" in reference ? { ...reference, path: resolve(reference.path) } : reference;
}
