import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageSignature } from "../../src/trust/signature.ts";
import { runProgram } from "./scratch.ts";

export type SigstoreSignature = Extract<ImageSignature, { kind: "sigstore" }>;

export interface KeyPair {
  readonly privateKey: KeyObject;
  /** PEM. */
  readonly publicKey: string;
}

export function makeKeyPair(kind: "P-256" | "P-384" | "ed25519" | "rsa" = "P-256"): KeyPair {
  const pair =
    kind === "ed25519"
      ? generateKeyPairSync("ed25519")
      : kind === "rsa"
        ? generateKeyPairSync("rsa", { modulusLength: 2048 })
        : generateKeyPairSync("ec", { namedCurve: kind });
  return { privateKey: pair.privateKey, publicKey: String(pair.publicKey.export({ type: "spki", format: "pem" })) };
}

/** What cosign signs: the digest, and a repository as its name. */
export function cosignPayload(digest: string, reference: string): Buffer {
  const critical = {
    identity: { "docker-reference": reference },
    image: { "docker-manifest-digest": digest },
    type: "cosign container image signature",
  };
  return Buffer.from(JSON.stringify({ critical, optional: null }));
}

function signBytes(payload: Uint8Array, key: KeyObject): Buffer {
  return sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", payload, key);
}

/** A signature by a key, in cosign's form; with a log, and what the log may say otherwise. */
export function cosignSign(payload: Buffer, { privateKey, publicKey }: KeyPair, log?: LogEntry): SigstoreSignature {
  const signature = signBytes(payload, privateKey);
  const bundle =
    log === undefined ? {} : { "dev.sigstore.cosign/bundle": logBundle(payload, signature, publicKey, log) };
  return sigstoreSignature(payload, signature, bundle);
}

export interface LogEntry {
  readonly key: KeyObject;
  readonly time: Date;
  /** What the entry is about, where that is something else. */
  readonly about?: { readonly payload?: Buffer; readonly signature?: Buffer; readonly signer?: string };
}

/** A signature by a key that an authority has certified for a while. */
export function keylessSign(payload: Buffer, signer: Certified, log?: LogEntry): SigstoreSignature {
  const signature = signBytes(payload, signer.privateKey);
  return sigstoreSignature(payload, signature, {
    "dev.sigstore.cosign/certificate": signer.certificate,
    "dev.sigstore.cosign/chain": signer.chain,
    ...(log === undefined
      ? {}
      : { "dev.sigstore.cosign/bundle": logBundle(payload, signature, signer.certificate, log) }),
  });
}

/** A signature with some annotations another, or (undefined) gone. */
export function altered(
  signature: SigstoreSignature,
  changes: Readonly<Record<string, string | undefined>>,
): SigstoreSignature {
  const entries = Object.entries({ ...signature.annotations, ...changes });
  const annotations = Object.fromEntries(entries.filter((one): one is [string, string] => one[1] !== undefined));
  return { ...signature, annotations };
}

function sigstoreSignature(
  payload: Buffer,
  signature: Buffer,
  more: Readonly<Record<string, string>>,
): SigstoreSignature {
  const annotations = { "dev.cosignproject.cosign/signature": signature.toString("base64"), ...more };
  return { kind: "sigstore", payload, annotations };
}

function logBundle(payload: Buffer, signature: Buffer, signer: string, { key, time, about = {} }: LogEntry): string {
  const value = createHash("sha256")
    .update(about.payload ?? payload)
    .digest("hex");
  const entry = {
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: { algorithm: "sha256", value } },
      signature: {
        content: (about.signature ?? signature).toString("base64"),
        publicKey: { content: Buffer.from(about.signer ?? signer).toString("base64") },
      },
    },
  };
  // The keys are in the order that canonical JSON has them.
  const body = Buffer.from(JSON.stringify(entry)).toString("base64");
  const Payload = { body, integratedTime: Math.floor(time.getTime() / 1000), logID: "ab".repeat(32), logIndex: 7 };
  const promise = sign("sha256", Buffer.from(JSON.stringify(Payload)), key);
  return JSON.stringify({ SignedEntryTimestamp: promise.toString("base64"), Payload });
}

export interface Certified {
  readonly privateKey: KeyObject;
  /** PEM. */
  readonly certificate: string;
  /** Intermediate and root, PEM. */
  readonly chain: string;
}

export interface Authority {
  /** PEM. */
  readonly root: string;
  readonly intermediate: string;
  /** A certificate for signing code that is good for a day. */
  issue(email: string, extensions?: readonly string[]): Certified;
}

/** The extension by which Fulcio says who vouched for the e-mail address: the newer one, and the older. */
export const issuerExtensions = {
  v2: (issuer: string): string => `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${issuer}`,
  v1: (issuer: string): string => `1.3.6.1.4.1.57264.1.1=DER:${Buffer.from(issuer).toString("hex")}`,
} as const;

const authorityExtensions = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n";

/** A root and an intermediate authority as Fulcio has them, made with openssl. */
export function makeAuthority(intermediateExtensions = "extendedKeyUsage=codeSigning\n"): Authority {
  const issue = (subject: string, extensions: string, by?: Issuer): Issuer => {
    const directory = mkdtempSync(join(tmpdir(), "keelson-ca-"));
    const file = (name: string, content?: string): string => {
      if (content !== undefined) writeFileSync(join(directory, name), content);
      return join(directory, name);
    };
    try {
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("key")];
      runProgram("openssl", ["req", "-new", ...key, "-subj", `/O=${subject}`, "-out", file("csr")]);
      const signer =
        by === undefined
          ? ["-signkey", file("key")]
          : ["-CA", file("ca", by.certificate), "-CAkey", file("ca.key", by.key), "-set_serial", String(Date.now())];
      const sign = ["-req", "-in", file("csr"), ...signer, "-extfile", file("ext", extensions), "-days", "1"];
      runProgram("openssl", ["x509", ...sign, "-out", file("pem")]);
      return { certificate: readFileSync(file("pem"), "utf8"), key: readFileSync(file("key"), "utf8") };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const root = issue("test root", authorityExtensions);
  const intermediate = issue("test intermediate", `${authorityExtensions}${intermediateExtensions}`, root);
  return {
    root: root.certificate,
    intermediate: intermediate.certificate,
    issue: (email, extensions = [issuerExtensions.v2("https://issuer.example")]) => {
      const usage = "keyUsage=critical,digitalSignature\n";
      const own = extensions.some((line) => line.startsWith("extendedKeyUsage"))
        ? ""
        : "extendedKeyUsage=codeSigning\n";
      const names = `subjectAltName=critical,email:${email}\n`;
      const leaf = issue("test", `${usage}${own}${names}${extensions.join("\n")}\n`, intermediate);
      return {
        privateKey: createPrivateKey(leaf.key),
        certificate: leaf.certificate,
        chain: intermediate.certificate + root.certificate,
      };
    },
  };
}

interface Issuer {
  readonly certificate: string;
  readonly key: string;
}
