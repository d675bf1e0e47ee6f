import { isObject } from "../image/json.ts";
import { FormatProblem, fieldsOf, requiredText } from "./fields.ts";
import { formatName, type ImageName, isNamePrefix, parseName } from "./name.ts";

/** Which names in a signature are good for an image. The words are those of containers-policy.json(5). */
export type SignedIdentity =
  | { readonly kind: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { readonly kind: "exactReference"; readonly reference: ImageName }
  | { readonly kind: "exactRepository"; readonly repository: string }
  | { readonly kind: "remapIdentity"; readonly prefix: string; readonly signedPrefix: string };

/** Reads `signedIdentity`; matchRepoDigestOrExact when there is none. Throws FormatProblem. */
export function parseIdentity(value: unknown, where: string): SignedIdentity {
  if (value === undefined) return { kind: "matchRepoDigestOrExact" };
  const kind = isObject(value) ? value.type : undefined;
  switch (kind) {
    case "matchExact":
    case "matchRepoDigestOrExact":
    case "matchRepository":
      fieldsOf(value, where, ["type"]);
      return { kind };
    case "exactReference": {
      const text = requiredText(fieldsOf(value, where, ["type", "dockerReference"]), "dockerReference");
      const reference = parseName(text);
      if (reference !== undefined && !isNameOnly(reference)) return { kind, reference };
      throw new FormatProblem(`${where}: dockerReference is not a name with a tag or a digest`);
    }
    case "exactRepository": {
      const text = requiredText(fieldsOf(value, where, ["type", "dockerRepository"]), "dockerRepository");
      const repository = parseName(text);
      if (repository !== undefined && isNameOnly(repository)) return { kind, repository: repository.name };
      throw new FormatProblem(`${where}: dockerRepository is not the name of a repository`);
    }
    case "remapIdentity": {
      const fields = fieldsOf(value, where, ["type", "prefix", "signedPrefix"]);
      const [prefix, signedPrefix] = [requiredText(fields, "prefix"), requiredText(fields, "signedPrefix")];
      if (isNamePrefix(prefix) && isNamePrefix(signedPrefix)) return { kind, prefix, signedPrefix };
      throw new FormatProblem(`${where}: prefix and signedPrefix are not a host, namespace or repository`);
    }
    default:
      throw new FormatProblem(`${where}: its type ${JSON.stringify(kind) ?? "is missing and"} is not known`);
  }
}

/**
 * Whether a signature for `signed` is good for `image`, which is undefined where a transport knows no names. By digest the
 * image's bytes have been checked already: then any tag of the repository will do.
 */
export function matchesIdentity(identity: SignedIdentity, image: ImageName | undefined, signed: ImageName): boolean {
  switch (identity.kind) {
    case "exactReference":
      return same(identity.reference, signed);
    case "exactRepository":
      return identity.repository === signed.name;
    case "matchExact":
      return image !== undefined && same(image, signed);
    case "matchRepoDigestOrExact":
      return image !== undefined && sameOrByDigest(image, signed);
    case "matchRepository":
      return image !== undefined && image.name === signed.name;
    case "remapIdentity": {
      const wanted = image === undefined ? undefined : remapped(image, identity);
      return wanted !== undefined && sameOrByDigest(wanted, signed);
    }
  }
}

function same(wanted: ImageName, signed: ImageName): boolean {
  return !isNameOnly(wanted) && formatName(wanted) === formatName(signed);
}

function sameOrByDigest(wanted: ImageName, signed: ImageName): boolean {
  if (isNameOnly(signed)) return false;
  return wanted.tag === undefined ? wanted.digest !== undefined && wanted.name === signed.name : same(wanted, signed);
}

function remapped(
  image: ImageName,
  { prefix, signedPrefix }: { readonly prefix: string; readonly signedPrefix: string },
): ImageName | undefined {
  if (image.name !== prefix && !image.name.startsWith(`${prefix}/`)) return image;
  const name = `${signedPrefix}${image.name.slice(prefix.length)}`;
  // What the original would read as another name than is written there is no name.
  return parseName(name)?.name === name ? { ...image, name } : undefined;
}

function isNameOnly({ tag, digest }: ImageName): boolean {
  return tag === undefined && digest === undefined;
}
