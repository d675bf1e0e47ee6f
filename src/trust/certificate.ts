import { type KeyObject, X509Certificate } from "node:crypto";
import { X509Certificate as ParsedCertificate } from "@sigstore/core";
import { derOf } from "./pem.ts";

const codeSigning = "1.3.6.1.5.5.7.3.3";
const anyUsage = "2.5.29.37.0";
const issuerV1 = "1.3.6.1.4.1.57264.1.1";
const issuerV2 = "1.3.6.1.4.1.57264.1.8";
/** Extensions whose meaning is checked here: key usage, alternative names, basic constraints, extended key usage. */
const understood = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"];
/** Would limit what an authority may vouch for; none that signs code has them. */
const nameConstraints = "2.5.29.30";
const chainLimit = 8;
/** The reason for a certificate of another kind. */
export const notForCode = "the certificate is not for code signing";

/** A certificate that may vouch for a signature. */
export interface SignerCertificate {
  readonly key: KeyObject;
  readonly der: Buffer;
  /** Whether it says that it is for signing code; problem() takes one that says nothing, too. */
  readonly forCode: boolean;
  /** What is wrong with it at `time`, given whom to trust; undefined when it is good for signing code. */
  problem(roots: readonly X509Certificate[], intermediates: readonly X509Certificate[], time: Date): string | undefined;
  /**
   * Who logged in to get it: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md; undefined when that is not said
   * once.
   */
  readonly oidcIssuer: string | undefined;
  hasEmail(email: string): boolean;
  hasHostname(name: string): boolean;
}

/** All certificates of a PEM text. Throws for one that cannot be read. */
export function parseCertificates(pem: string): readonly X509Certificate[] {
  return derOf(pem).map((der) => new X509Certificate(der));
}

/** The one certificate of a PEM text. Throws a SyntaxError when there is another number of them. */
export function parseSigner(pem: string): SignerCertificate {
  const [certificate, ...others] = parseCertificates(pem);
  if (certificate === undefined || others.length > 0) throw new SyntaxError("it has not exactly one certificate");
  return {
    key: certificate.publicKey,
    der: certificate.raw,
    forCode: certificate.keyUsage?.includes(codeSigning) === true,
    problem: (roots, intermediates, time) => chainProblem(certificate, roots, intermediates, time),
    oidcIssuer: oidcIssuerOf(certificate),
    hasEmail: (email) => namesOf(certificate, 1).includes(email),
    hasHostname: (name) => certificate.checkHost(name, { subject: "never" }) !== undefined,
  };
}

/** RFC 5280 as far as code signing needs it: names, signatures, CA flags, path lengths, usages, and all of it at one time. */
function chainProblem(
  leaf: X509Certificate,
  roots: readonly X509Certificate[],
  intermediates: readonly X509Certificate[],
  time: Date,
): string | undefined {
  if (!maySignCode(leaf)) return notForCode;
  if (!validAt(leaf, time)) return `the certificate was not valid when it signed, ${time.toISOString()}`;
  if (!isUnderstood(leaf)) return "the certificate has an extension that is not known or is there twice";
  const search = (certificate: X509Certificate, below: number): boolean => {
    const issued = (issuer: X509Certificate): boolean => mayIssue(issuer, below, time) && issues(issuer, certificate);
    if (roots.some((root) => root.raw.equals(certificate.raw) || issued(root))) return true;
    return below < chainLimit && intermediates.some((issuer) => issued(issuer) && search(issuer, below + 1));
  };
  return search(leaf, 0) ? undefined : "the certificate is not by the policy's certificate authority";
}

function issues(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Whether an authority may stand above `below` other authorities of a chain for code signing. */
function mayIssue(issuer: X509Certificate, below: number, time: Date): boolean {
  const length = ParsedCertificate.parse(issuer.raw).extBasicConstraints?.pathLenConstraint;
  return (
    issuer.ca &&
    validAt(issuer, time) &&
    isUnderstood(issuer) &&
    maySignCode(issuer) &&
    (length === undefined || length >= BigInt(below))
  );
}

/** A certificate that names no usages is for all of them. */
function maySignCode({ keyUsage = [anyUsage] }: X509Certificate): boolean {
  return keyUsage.includes(codeSigning) || keyUsage.includes(anyUsage);
}

function validAt({ validFromDate, validToDate }: X509Certificate, time: Date): boolean {
  return validFromDate <= time && time <= validToDate;
}

function isUnderstood({ raw }: X509Certificate): boolean {
  // A critical extension has three members: its OID, TRUE, its value.
  const extensions = ParsedCertificate.parse(raw).extensions.map(({ subs }) => ({
    oid: subs[0]?.toOID() ?? "",
    critical: subs.length > 2,
  }));
  return (
    new Set(extensions.map(({ oid }) => oid)).size === extensions.length &&
    extensions.every(({ oid, critical }) => oid !== nameConstraints && (!critical || understood.includes(oid)))
  );
}

/** The alternative names of one kind, by the tag of RFC 5280, GeneralName. */
function namesOf({ raw }: X509Certificate, tag: number): readonly string[] {
  const names = ParsedCertificate.parse(raw).extension("2.5.29.17")?.valueObj.subs[0]?.subs ?? [];
  return names.filter((name) => name.tag.isContextSpecific(tag)).map((name) => name.value.toString("latin1"));
}

function oidcIssuerOf({ raw }: X509Certificate): string | undefined {
  const parsed = ParsedCertificate.parse(raw);
  // The older extension holds the bare text, the newer one a UTF8String.
  const said = [
    parsed.extension(issuerV1)?.value.toString("utf8"),
    parsed.extension(issuerV2)?.valueObj.subs[0]?.value.toString("utf8"),
  ].filter((issuer) => issuer !== undefined);
  return new Set(said).size === 1 ? said[0] : undefined;
}
