import { isObject } from "../image/json.ts";
import { parseStrictJson } from "../image/strict-json.ts";
import { FormatProblem, fieldsOf, optionalText, requiredText } from "./fields.ts";
import { parseIdentity, type SignedIdentity } from "./identity.ts";
import { type Material, optionalMaterial, requiredMaterial } from "./material.ts";
import { type Place, scopeProblem } from "./scope.ts";

/** policy.json, by containers-policy.json(5). The scope "" of a transport is its default. */
export interface Policy {
  readonly default: readonly Requirement[];
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly Requirement[]>>;
}

export type Requirement =
  | { readonly kind: "insecureAcceptAnything" }
  | { readonly kind: "reject" }
  | SignedBy
  | SigstoreSigned;

/** OpenPGP: one signature by one of the keys. */
export interface SignedBy {
  readonly kind: "signedBy";
  readonly keys: readonly Material[];
  readonly identity: SignedIdentity;
}

export interface SigstoreSigned {
  readonly kind: "sigstoreSigned";
  readonly trusted: SigstoreTrust;
  /** Keys of the transparency log that has to hold the signature; empty: none has to. */
  readonly rekor: readonly Material[];
  readonly identity: SignedIdentity;
}

/** Whom signatures are trusted of: as policy.json names the keys and certificates, or with these read. */
export type SigstoreTrust<Key = Material, Certificate = Material> =
  | { readonly kind: "keys"; readonly keys: readonly Key[] }
  | {
      readonly kind: "fulcio";
      readonly roots: readonly Certificate[];
      readonly oidcIssuer: string;
      readonly subjectEmail: string;
    }
  | {
      readonly kind: "pki";
      readonly roots: readonly Certificate[];
      readonly intermediates: readonly Certificate[];
      readonly subjectEmail: string | undefined;
      readonly subjectHostname: string | undefined;
    };

/** The requirements for one image, and where in the policy they stand: `default`, `docker`, `docker registry.example`. */
export interface Chosen {
  readonly scope: string;
  readonly requirements: readonly Requirement[];
}

/**
 * Reads policy.json as strictly as its manual page says: an unknown or repeated key anywhere is an error. Throws
 * FormatProblem.
 */
export function parsePolicy(bytes: Uint8Array): Policy {
  let document: unknown;
  try {
    document = parseStrictJson(bytes);
  } catch (error) {
    throw new FormatProblem(`it is not sound JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const { values } = fieldsOf(document, "the policy", ["default", "transports"]);
  if (!values.has("default")) throw new FormatProblem("the policy has no default");
  const transports = values.get("transports") ?? {};
  if (!isObject(transports)) throw new FormatProblem("transports is not an object");
  return {
    default: parseRequirements(values.get("default"), "default"),
    transports: new Map(Object.entries(transports).map(([name, scopes]) => [name, parseScopes(name, scopes)])),
  };
}

/** What holds for an image: of its scopes the narrowest that is there, else the transport's default, else the default. */
export function requirementsFor(policy: Policy, place: Place): Chosen {
  const scopes = policy.transports.get(place.transport);
  for (const scope of [...place.scopes, ""]) {
    const requirements = scopes?.get(scope);
    if (requirements !== undefined) return { scope: `${place.transport} ${scope}`.trimEnd(), requirements };
  }
  return { scope: "default", requirements: policy.default };
}

function parseScopes(transport: string, value: unknown): ReadonlyMap<string, readonly Requirement[]> {
  if (!isObject(value)) throw new FormatProblem(`transports.${transport} is not an object`);
  return new Map(
    Object.entries(value).map(([scope, requirements]) => {
      const where = `transports.${transport}.${JSON.stringify(scope)}`;
      const problem = scope === "" ? undefined : scopeProblem(transport, scope);
      if (problem !== undefined) throw new FormatProblem(`${where} ${problem}`);
      return [scope, parseRequirements(requirements, where)];
    }),
  );
}

function parseRequirements(value: unknown, where: string): readonly Requirement[] {
  if (!Array.isArray(value)) throw new FormatProblem(`${where} is not a list`);
  if (value.length === 0) throw new FormatProblem(`${where} is empty; write insecureAcceptAnything or reject`);
  return value.map((requirement, index) => parseRequirement(requirement, `${where}[${index}]`));
}

function parseRequirement(value: unknown, where: string): Requirement {
  const kind = isObject(value) ? value.type : undefined;
  switch (kind) {
    case "insecureAcceptAnything":
    case "reject":
      fieldsOf(value, where, ["type"]);
      return { kind };
    case "signedBy":
      return parseSignedBy(value, where);
    case "sigstoreSigned":
      return parseSigstore(value, where);
    default:
      throw new FormatProblem(`${where}: its type ${JSON.stringify(kind) ?? "is missing and"} is not known`);
  }
}

function parseSignedBy(value: unknown, where: string): SignedBy {
  const known = ["type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"];
  const fields = fieldsOf(value, where, known);
  if (requiredText(fields, "keyType") !== "GPGKeys") throw new FormatProblem(`${where}: keyType is not GPGKeys`);
  return {
    kind: "signedBy",
    keys: requiredMaterial(fields, ["keyPath", "keyPaths", "keyData"]),
    identity: parseIdentity(fields.values.get("signedIdentity"), `${where}.signedIdentity`),
  };
}

const rekorKeys = ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"];
const sigstoreKeys = ["keyPath", "keyPaths", "keyData", "keyDatas"];

function parseSigstore(value: unknown, where: string): SigstoreSigned {
  const fields = fieldsOf(value, where, ["type", ...sigstoreKeys, "fulcio", "pki", ...rekorKeys, "signedIdentity"]);
  const trusts = [...sigstoreKeys, "fulcio", "pki"];
  if (trusts.filter((key) => fields.values.has(key)).length !== 1)
    throw new FormatProblem(`${where} has to have exactly one of ${trusts.join(", ")}`);
  const rekor = optionalMaterial(fields, rekorKeys);
  const trusted = parseTrust(fields.values.get("fulcio"), fields.values.get("pki"), where) ?? {
    kind: "keys",
    keys: requiredMaterial(fields, sigstoreKeys),
  };
  if (trusted.kind === "fulcio" && rekor.length === 0) throw new FormatProblem(`${where}: fulcio needs a Rekor key`);
  if (trusted.kind === "pki" && rekor.length > 0) throw new FormatProblem(`${where}: pki goes with no Rekor key`);
  const identity = parseIdentity(fields.values.get("signedIdentity"), `${where}.signedIdentity`);
  return { kind: "sigstoreSigned", trusted, rekor, identity };
}

function parseTrust(fulcio: unknown, pki: unknown, where: string): SigstoreTrust | undefined {
  if (fulcio !== undefined) {
    const fields = fieldsOf(fulcio, `${where}.fulcio`, ["caPath", "caData", "oidcIssuer", "subjectEmail"]);
    const [oidcIssuer, subjectEmail] = [requiredText(fields, "oidcIssuer"), requiredText(fields, "subjectEmail")];
    return { kind: "fulcio", roots: requiredMaterial(fields, ["caPath", "caData"]), oidcIssuer, subjectEmail };
  }
  if (pki === undefined) return undefined;
  const [roots, intermediates] = [
    ["caRootsPath", "caRootsData"],
    ["caIntermediatesPath", "caIntermediatesData"],
  ] as const;
  const fields = fieldsOf(pki, `${where}.pki`, [...roots, ...intermediates, "subjectEmail", "subjectHostname"]);
  const subjectEmail = optionalText(fields, "subjectEmail");
  const subjectHostname = optionalText(fields, "subjectHostname");
  if (subjectEmail === undefined && subjectHostname === undefined)
    throw new FormatProblem(`${where}.pki has neither subjectEmail nor subjectHostname`);
  return {
    kind: "pki",
    roots: requiredMaterial(fields, roots),
    intermediates: optionalMaterial(fields, intermediates),
    subjectEmail,
    subjectHostname,
  };
}
