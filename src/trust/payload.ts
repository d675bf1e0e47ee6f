import type { Digest } from "../image/digest.ts";
import { parseStrictJson } from "../image/strict-json.ts";
import { FormatProblem, fieldsOf, requiredText } from "./fields.ts";
import { matchesIdentity, type SignedIdentity } from "./identity.ts";
import { formatName, type ImageName, parseName } from "./name.ts";

/** What a signature has to be for. */
export interface Wanted {
  readonly digest: Digest;
  /** Absent where the transport knows no names. */
  readonly name: ImageName | undefined;
  readonly identity: SignedIdentity;
}

const types = {
  openpgp: "atomic container signature",
  sigstore: "cosign container image signature",
} as const;

/**
 * Why a payload, known to be signed by a trusted key, is no signature of the image; undefined when it is one. As strict as
 * containers-signature(5) asks for: anything unknown in `critical` makes it void.
 */
export function payloadProblem(bytes: Uint8Array, kind: keyof typeof types, wanted: Wanted): string | undefined {
  let claim: Claim;
  try {
    claim = parsePayload(bytes, kind);
  } catch (error) {
    if (error instanceof FormatProblem || error instanceof SyntaxError || error instanceof TypeError)
      return `its payload is not well formed: ${error.message}`;
    throw error;
  }
  if (claim.digest !== wanted.digest) return `the signature is for another digest, ${claim.digest}`;
  if (claim.name !== undefined && matchesIdentity(wanted.identity, wanted.name, claim.name)) return undefined;
  const byName = wanted.identity.kind !== "exactReference" && wanted.identity.kind !== "exactRepository";
  if (wanted.name === undefined && byName)
    return `a transport without image names can only have exactReference or exactRepository, not ${wanted.identity.kind}`;
  const signed = claim.name === undefined ? "no image name" : formatName(claim.name);
  return `the signature is for another image, ${signed} (${wanted.identity.kind})`;
}

interface Claim {
  readonly digest: string;
  readonly name: ImageName | undefined;
}

function parsePayload(bytes: Uint8Array, kind: keyof typeof types): Claim {
  const { values } = fieldsOf(parseStrictJson(bytes), "it", ["critical", "optional"]);
  const optional = values.get("optional");
  // cosign writes null where a person has given no annotations.
  if (optional === undefined || (optional === null ? kind === "openpgp" : typeof optional !== "object"))
    throw new FormatProblem("it has no optional");
  const critical = fieldsOf(values.get("critical"), "critical", ["type", "image", "identity"]);
  const type = requiredText(critical, "type");
  if (type !== types[kind]) throw new FormatProblem(`its type is ${JSON.stringify(type)}, not "${types[kind]}"`);
  const image = fieldsOf(critical.values.get("image"), "critical.image", ["docker-manifest-digest"]);
  const identity = fieldsOf(critical.values.get("identity"), "critical.identity", ["docker-reference"]);
  return {
    digest: requiredText(image, "docker-manifest-digest"),
    name: parseName(requiredText(identity, "docker-reference")),
  };
}
