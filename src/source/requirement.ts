import { createHash } from "node:crypto";
import { KeelsonError } from "../errors.ts";
import type { Judged } from "../trust/judged.ts";
import { readKeyring } from "../trust/keyring.ts";
import type { Material } from "../trust/material.ts";
import { payloadProblem, type Wanted } from "../trust/payload.ts";
import type { SignedBy, SigstoreSigned } from "../trust/policy.ts";
import type { ImageSignature } from "../trust/signature.ts";
import type { SigstoreTrustRoot } from "../trust/sigstore.ts";
import { openMessage } from "./gpgv.ts";
import { type PolicyFile, readMaterial } from "./trust-files.ts";

/** A requirement with its keys at hand. */
export interface Checker {
  readonly requirement: SignedBy | SigstoreSigned;
  /** Another one when the requirement or any of its keys is another. */
  readonly fingerprint: string;
  /** undefined for a signature of the other kind. */
  check(signature: ImageSignature, wanted: Wanted): Promise<Judged | undefined>;
}

/** Reads the keys of a requirement. Throws E_POLICY for those that cannot be read. */
export async function openChecker(requirement: SignedBy | SigstoreSigned, file: PolicyFile): Promise<Checker> {
  const read = (material: readonly Material[]): readonly Buffer[] => readMaterial(material, file);
  try {
    return requirement.kind === "signedBy"
      ? openPgpChecker(requirement, read(requirement.keys))
      : await sigstoreChecker(requirement, read);
  } catch (error) {
    if (error instanceof KeelsonError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new KeelsonError("E_POLICY", `${file.path}: a key of ${requirement.kind} cannot be used: ${why}`, {
      hint: "signedBy takes OpenPGP public keys, sigstoreSigned public keys and certificates in PEM.",
      cause: error,
    });
  }
}

function openPgpChecker(requirement: SignedBy, keys: readonly Buffer[]): Checker {
  const keyring = readKeyring(keys);
  return {
    requirement,
    fingerprint: fingerprintOf(requirement, keys),
    check: async (signature, wanted) => {
      if (signature.kind !== "openpgp") return undefined;
      const opened = await openMessage(signature.bytes, keyring);
      if ("why" in opened) return opened;
      const why = payloadProblem(opened.payload ?? Buffer.alloc(0), "openpgp", wanted);
      return why === undefined ? { by: opened.by } : { why };
    },
  };
}

type Read = (material: readonly Material[]) => readonly Buffer[];

async function sigstoreChecker(requirement: SigstoreSigned, read: Read): Promise<Checker> {
  const { judgeSigstore } = await import("../trust/sigstore.ts");
  const { root, bytes } = await readRoot(requirement, read);
  return {
    requirement,
    fingerprint: fingerprintOf(requirement, bytes),
    check: async (signature, wanted) =>
      signature.kind === "sigstore" ? judgeSigstore(signature, root, wanted, new Date()) : undefined,
  };
}

interface ReadRoot {
  readonly root: SigstoreTrustRoot;
  readonly bytes: readonly Buffer[];
}

async function readRoot({ trusted, rekor }: SigstoreSigned, read: Read): Promise<ReadRoot> {
  const { parsePublicKeys } = await import("../trust/sigstore.ts");
  const { parseCertificates } = await import("../trust/certificate.ts");
  const bytes: Buffer[] = [];
  const parsed = <T>(material: readonly Material[], parse: (pem: string) => readonly T[]): readonly T[] => {
    const files = read(material);
    bytes.push(...files);
    const found = files.flatMap((file) => parse(file.toString("latin1")));
    if (material.length > 0 && found.length === 0) throw new SyntaxError("there is no certificate in it");
    return found;
  };
  const logs = parsed(rekor, parsePublicKeys);
  switch (trusted.kind) {
    case "keys":
      return { root: { trusted: { kind: "keys", keys: parsed(trusted.keys, parsePublicKeys) }, rekor: logs }, bytes };
    case "fulcio":
      return { root: { trusted: { ...trusted, roots: parsed(trusted.roots, parseCertificates) }, rekor: logs }, bytes };
    case "pki": {
      const roots = parsed(trusted.roots, parseCertificates);
      const intermediates = parsed(trusted.intermediates, parseCertificates);
      return { root: { trusted: { ...trusted, roots, intermediates }, rekor: logs }, bytes };
    }
  }
}

/** The policy's words and every byte of its keys, each with its length so that none can pass for another. */
function fingerprintOf(requirement: SignedBy | SigstoreSigned, keys: readonly Buffer[]): string {
  const hash = createHash("sha256").update(JSON.stringify(requirement));
  for (const key of keys) hash.update(`\n${key.length}\n`).update(key);
  return hash.digest("hex");
}
