import { createPublicKey, type KeyObject, verify, type X509Certificate } from "node:crypto";
import { digestOf } from "../image/digest.ts";
import { notForCode, parseCertificates, parseSigner } from "./certificate.ts";
import { FormatProblem } from "./fields.ts";
import type { Judged } from "./judged.ts";
import { payloadProblem, type Wanted } from "./payload.ts";
import { derOf } from "./pem.ts";
import type { SigstoreTrust } from "./policy.ts";
import { loggedAt } from "./rekor.ts";
import type { ImageSignature } from "./signature.ts";

/** A sigstoreSigned requirement with its keys and certificates read. */
export interface SigstoreTrustRoot {
  readonly trusted: SigstoreTrust<KeyObject, X509Certificate>;
  /** Empty: no log has to hold the signature. */
  readonly rekor: readonly KeyObject[];
}

type SigstoreSignature = Extract<ImageSignature, { kind: "sigstore" }>;

const annotations = {
  signature: "dev.cosignproject.cosign/signature",
  bundle: "dev.sigstore.cosign/bundle",
  certificate: "dev.sigstore.cosign/certificate",
  chain: "dev.sigstore.cosign/chain",
} as const;

/** Reads public keys, PEM. Throws for what is none. */
export function parsePublicKeys(pem: string): readonly KeyObject[] {
  const keys = derOf(pem).map((key) => createPublicKey({ key, format: "der", type: "spki" }));
  if (keys.length === 0) throw new SyntaxError("it holds no public key");
  return keys;
}

/**
 * Whether a signature in cosign's form is by whom the policy trusts, and for the image that is wanted; `now` is for pki alone.
 */
export function judgeSigstore(
  signature: SigstoreSignature,
  root: SigstoreTrustRoot,
  wanted: Wanted,
  now: Date,
): Judged {
  try {
    const signer = signerOf(signature, root, now);
    if ("why" in signer) return signer;
    const why = payloadProblem(signature.payload, "sigstore", wanted);
    return why === undefined ? { by: signer.by } : { why };
  } catch (error) {
    if (error instanceof FormatProblem || error instanceof SyntaxError) return { why: error.message };
    // What OpenSSL or the reader of ASN.1 says of bytes that are no certificate.
    return { why: `it cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function signerOf(signature: SigstoreSignature, root: SigstoreTrustRoot, now: Date): Judged {
  const bytes = Buffer.from(annotation(signature, "signature"), "base64");
  const { payload } = signature;
  switch (root.trusted.kind) {
    case "keys": {
      const key = root.trusted.keys.find((candidate) => isSignedBy(payload, bytes, candidate));
      if (key === undefined)
        return {
          why: "it is signed by a key that is not the policy's, or the payload was changed after it was signed",
        };
      const signer = key.export({ type: "spki", format: "der" });
      if (root.rekor.length > 0)
        loggedAt(annotation(signature, "bundle"), root.rekor, { signature: bytes, payload, signer });
      return { by: `key ${digestOf(signer)}` };
    }
    case "fulcio": {
      const signer = parseSigner(annotation(signature, "certificate"));
      const logged = { signature: bytes, payload, signer: signer.der };
      const time = loggedAt(annotation(signature, "bundle"), root.rekor, logged);
      const { roots, oidcIssuer, subjectEmail } = root.trusted;
      const why = signer.forCode ? signer.problem(roots, intermediatesOf(signature), time) : notForCode;
      if (why !== undefined) return { why };
      if (signer.oidcIssuer !== oidcIssuer)
        return { why: `its signer logged in at ${signer.oidcIssuer ?? "no issuer"}` };
      if (!signer.hasEmail(subjectEmail)) return { why: `its signer is not ${subjectEmail}` };
      return isSignedBy(payload, bytes, signer.key) ? { by: `${subjectEmail} (${oidcIssuer})` } : { why: changed };
    }
    case "pki": {
      const signer = parseSigner(annotation(signature, "certificate"));
      const { roots, intermediates, subjectEmail, subjectHostname } = root.trusted;
      const why = signer.problem(roots, [...intermediates, ...intermediatesOf(signature)], now);
      if (why !== undefined) return { why };
      if (subjectEmail !== undefined && !signer.hasEmail(subjectEmail))
        return { why: `its signer is not ${subjectEmail}` };
      if (subjectHostname !== undefined && !signer.hasHostname(subjectHostname))
        return { why: `its signer is not ${subjectHostname}` };
      const by = [subjectEmail, subjectHostname].filter((name) => name !== undefined).join(" ");
      return isSignedBy(payload, bytes, signer.key) ? { by } : { why: changed };
    }
  }
}

const changed = "the payload was changed after it was signed";

/** cosign hashes with SHA-256 whatever the key; an Ed25519 key signs the payload itself. */
function isSignedBy(payload: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return verify(key.asymmetricKeyType === "ed25519" ? null : "sha256", payload, key, signature);
}

/** The last of a chain is the root, which the policy has to bring itself. */
function intermediatesOf({ annotations: notes }: SigstoreSignature): readonly X509Certificate[] {
  return parseCertificates(notes[annotations.chain] ?? "").slice(0, -1);
}

function annotation({ annotations: notes }: SigstoreSignature, name: keyof typeof annotations): string {
  const text = notes[annotations[name]];
  if (text !== undefined) return text;
  throw new SyntaxError(`it has no annotation ${annotations[name]}`);
}
