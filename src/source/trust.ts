import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { KeelsonError, printable } from "../errors.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import { type FileReference, formatReference, type Reference } from "../image/reference.ts";
import type { Verified } from "../image/verified.ts";
import { type Requirement, requirementsFor } from "../trust/policy.ts";
import { type Place, placeOf } from "../trust/scope.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { readLookaside } from "./lookaside.ts";
import { openSource } from "./open.ts";
import type { SourceOptions } from "./options.ts";
import { readSignaturePlaces } from "./registries-d.ts";
import { type Checker, openChecker } from "./requirement.ts";
import type { ImageSource } from "./source.ts";
import { findStorage } from "./storage-conf.ts";
import { type PolicyFile, readPolicy, type TrustPlaces } from "./trust-files.ts";

/** An image that is to be let in. */
interface Candidate {
  /** What it is called, which need not be where its signatures come from: see `signatures`. */
  readonly reference: Reference;
  /** Of its manifest. */
  readonly digest: Digest;
  /** All signatures there are; asked for only where the policy wants one. */
  signatures(): Promise<readonly ImageSignature[]>;
  /** What was found when the image came into the store. */
  readonly before?: Verified | undefined;
}

/** An image that the policy is asked about, and how to find its signatures. */
export interface Subject {
  readonly reference: Reference;
  readonly digest: Digest;
  readonly tlsVerify: boolean;
  /** What was found when it came into the store. */
  readonly before?: Verified | undefined;
  /** Where the image comes from; without it, what the reference names is opened if a signature is wanted. */
  readonly source?: ImageSource;
  /**
   * The archive that `source` reads, where it is not what `reference` names: its signatures count, and as nothing but a
   * signature vouches for a name in it, an image that needs none has to be let in as one of this archive, too.
   */
  readonly archive?: FileReference | undefined;
  /** Nobody is asked for signatures: what needs them is not let in. */
  readonly offline?: boolean;
}

/** judgeImage with the signatures that findSignatures finds. */
export async function judge(subject: Subject, places: TrustPlaces, options: SourceOptions): Promise<Verified> {
  const { reference, digest, before, archive } = subject;
  const signatures = async (): Promise<readonly ImageSignature[]> => {
    if (subject.offline) throw unasked(subject);
    const source = subject.source ?? openSource(reference, options);
    try {
      return await findSignatures(archive ?? reference, digest, source, places, options);
    } finally {
      if (subject.source === undefined) await source.close();
    }
  };
  const verified = await judgeImage({ reference, digest, before, signatures }, places);
  if (archive === undefined || verified.kind !== "accepted") return verified;
  return judgeImage({ reference: archive, digest, signatures }, places);
}

/**
 * What the policy says of an image. All requirements of the one scope that holds for it must be met, each by one signature.
 * Throws E_POLICY when it is not let in, E_SETTINGS, and what reading signatures throws.
 */
async function judgeImage(candidate: Candidate, places: TrustPlaces): Promise<Verified> {
  const file = readPolicy(places);
  if (file === undefined) return { kind: "unverified" };
  const place = await locate(candidate.reference, places);
  const { scope, requirements } = requirementsFor(file.policy, place);
  const rejecting = requirements.findIndex(({ kind }) => kind === "reject");
  if (rejecting >= 0) throw refused(candidate, file, `${scope}: rejected by policy`);
  const checkers = await Promise.all(
    requirements.filter(isSigned).map((requirement) => openChecker(requirement, file)),
  );
  if (checkers.length === 0) return { kind: "accepted" };
  const under = digestOf(
    checkers.reduce((hash, { fingerprint }) => hash.update(fingerprint), createHash("sha256")).digest("hex"),
  );
  if (candidate.before?.kind === "signed" && candidate.before.under === under) return candidate.before;
  const signatures = await candidate.signatures();
  const by: string[] = [];
  for (const checker of checkers) by.push(await checkOne(checker, signatures, candidate, place, file, scope));
  return { kind: "signed", by, under };
}

/**
 * The signatures of an image where its transport keeps them: registries.d's lookaside, and what is attached to it, if
 * registries.d says so or `all` are wanted. Throws what reading them throws.
 */
export async function findSignatures(
  reference: Reference,
  digest: Digest,
  source: ImageSource,
  places: TrustPlaces,
  options: SourceOptions,
  all = false,
): Promise<readonly ImageSignature[]> {
  if (reference.kind !== "registry") return (await source.signatures?.(digest)) ?? [];
  const { name, scopes } = await locate(reference, places);
  if (name === undefined) throw new Error("a registry reference without a name");
  const { lookaside, attachments } = await readSignaturePlaces(places, scopes);
  const repository = name.name.slice(name.name.indexOf("/") + 1);
  const found = await readLookaside(lookaside, repository, digest, options);
  return attachments || all ? [...found, ...((await source.signatures?.(digest)) ?? [])] : found;
}

type Signed = Extract<Requirement, { kind: "signedBy" | "sigstoreSigned" }>;

function isSigned(requirement: Requirement): requirement is Signed {
  return requirement.kind === "signedBy" || requirement.kind === "sigstoreSigned";
}

async function checkOne(
  checker: Checker,
  signatures: readonly ImageSignature[],
  candidate: Candidate,
  place: Place,
  file: PolicyFile,
  scope: string,
): Promise<string> {
  const { requirement } = checker;
  const reasons: string[] = [];
  for (const signature of signatures) {
    const wanted = { digest: candidate.digest, name: place.name, identity: requirement.identity };
    const judged = await checker.check(signature, wanted);
    if (judged === undefined) continue;
    if ("by" in judged) return judged.by;
    reasons.push(judged.why);
  }
  const why = reasons.length === 0 ? "no signature" : reasons.join("; ");
  throw refused(candidate, file, `${scope}, ${requirement.kind}: ${why}`);
}

async function locate(reference: Reference, places: TrustPlaces): Promise<Place> {
  if (reference.kind === "containers-storage") {
    const { driver = "overlay", root } = await findStorage(reference, places);
    return placeOf(reference, `${driver}@${root}`);
  }
  if (reference.kind === "ostree" && "name" in reference) return locate(reference.name, places);
  if (!("path" in reference)) return placeOf(reference, "");
  return placeOf(reference, existsSync(reference.path) ? realpathSync(reference.path) : reference.path);
}

function unasked({ reference, digest }: Subject): KeelsonError {
  const name = printable(formatReference(reference));
  return new KeelsonError("E_POLICY", `${name} (${digest}) has not been verified under the policy that holds now`, {
    hint: "Pull it again, or leave out --offline: its signatures have to be fetched.",
  });
}

function refused({ reference, digest }: Candidate, file: PolicyFile, why: string): KeelsonError {
  const name = printable(formatReference(reference));
  return new KeelsonError("E_POLICY", `${name} (${digest}) is refused by ${file.path}, ${printable(why)}`, {
    hint: "Ask who publishes the image for a signature of this digest; containers-policy.json(5) says how an image is let in.",
  });
}
