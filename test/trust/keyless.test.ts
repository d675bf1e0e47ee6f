import { describe, expect, it } from "vitest";
import { parseCertificates } from "../../src/trust/certificate.ts";
import { parseName } from "../../src/trust/name.ts";
import type { Wanted } from "../../src/trust/payload.ts";
import { judgeSigstore, parsePublicKeys, type SigstoreTrustRoot } from "../../src/trust/sigstore.ts";
import {
  altered,
  cosignPayload,
  cosignSign,
  issuerExtensions,
  keylessSign,
  makeAuthority,
  makeKeyPair,
  type SigstoreSignature,
} from "../bed/sigstore.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const other = `sha256:${"b".repeat(64)}` as const;
const wanted: Wanted = { digest, name: parseName("host.x/app:v1"), identity: { kind: "matchRepository" } };
const payload = cosignPayload(digest, "host.x/app");
// Within the day for which certificates are made, whenever in this run that is.
const now = new Date(Date.now() + 3600 * 1000);
const later = new Date(now.getTime() + 3 * 24 * 3600 * 1000);
const log = makeKeyPair();
const entry = { key: log.privateKey, time: now };

function judged(signature: SigstoreSignature, root: SigstoreTrustRoot, at = now): unknown {
  return judgeSigstore(signature, root, wanted, at);
}

const why = (pattern: RegExp): unknown => ({ why: expect.stringMatching(pattern) });

describe("a keyless signature", () => {
  const authority = makeAuthority();
  const strange = makeAuthority();
  const email = "me@example.com";
  const issuer = "https://issuer.example";
  const signer = authority.issue(email);
  const root: SigstoreTrustRoot = {
    trusted: { kind: "fulcio", roots: parseCertificates(authority.root), oidcIssuer: issuer, subjectEmail: email },
    rekor: parsePublicKeys(log.publicKey),
  };
  const good = keylessSign(payload, signer, entry);

  it("of the right person is good, also long after its certificate has expired", () => {
    expect(judged(good, root, later)).toEqual({ by: `${email} (${issuer})` });
  });

  it("may name its issuer in the older way, or in both", () => {
    for (const extensions of [
      [issuerExtensions.v1(issuer)],
      [issuerExtensions.v1(issuer), issuerExtensions.v2(issuer)],
    ]) {
      expect(judged(keylessSign(payload, authority.issue(email, extensions), entry), root)).toHaveProperty("by");
    }
  });

  it("is good under the intermediate authority alone", () => {
    const roots = parseCertificates(authority.intermediate);
    const below = { ...root, trusted: { ...root.trusted, roots } } as SigstoreTrustRoot;
    expect(judged(altered(good, { "dev.sigstore.cosign/chain": undefined }), below)).toHaveProperty("by");
  });

  it.each<[string, SigstoreSignature, RegExp]>([
    [
      "another authority",
      keylessSign(payload, strange.issue(email), entry),
      /not by the policy's certificate authority/,
    ],
    ["a chain that is not there", altered(good, { "dev.sigstore.cosign/chain": undefined }), /certificate authority/],
    [
      "a certificate that had expired when it signed",
      keylessSign(payload, signer, { ...entry, time: later }),
      /not valid when it signed/,
    ],
    [
      "another person",
      keylessSign(payload, authority.issue("you@example.com"), entry),
      /signer is not me@example\.com/,
    ],
    [
      "another issuer",
      keylessSign(payload, authority.issue(email, [issuerExtensions.v2("https://evil")]), entry),
      /logged in at https:\/\/evil/,
    ],
    ["no issuer", keylessSign(payload, authority.issue(email, []), entry), /no issuer/],
    [
      "two issuers",
      keylessSign(
        payload,
        authority.issue(email, [issuerExtensions.v1(issuer), issuerExtensions.v2("https://evil")]),
        entry,
      ),
      /no issuer/,
    ],
    [
      "a certificate for TLS",
      keylessSign(payload, authority.issue(email, ["extendedKeyUsage=serverAuth"]), entry),
      /code signing/,
    ],
    [
      "an extension nobody knows",
      keylessSign(payload, authority.issue(email, ["1.2.3.4=critical,ASN1:NULL"]), entry),
      /not known/,
    ],
    ["no log entry", keylessSign(payload, signer), /no annotation dev\.sigstore\.cosign\/bundle/],
    [
      "the entry of another certificate",
      keylessSign(payload, signer, { ...entry, about: { signer: strange.root } }),
      /another key/,
    ],
    [
      "the signature of another key",
      altered(good, {
        "dev.cosignproject.cosign/signature": cosignSign(payload, log).annotations[
          "dev.cosignproject.cosign/signature"
        ],
      }),
      /another signature/,
    ],
    ["another digest", keylessSign(cosignPayload(other, "host.x/app"), signer, entry), /another digest/],
    ["a payload that was changed", { ...good, payload: cosignPayload(other, "host.x/app") }, /another payload/],
    [
      "two certificates",
      altered(good, { "dev.sigstore.cosign/certificate": signer.certificate + strange.root }),
      /exactly one/,
    ],
    ["no certificate", altered(good, { "dev.sigstore.cosign/certificate": "hello" }), /exactly one/],
    [
      "what is no certificate",
      altered(good, {
        "dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----",
      }),
      /cannot be read/,
    ],
  ])("is refused for %s", (_, signature, pattern) => {
    expect(judged(signature, root)).toEqual(why(pattern));
  });

  it("of a person whose certificate issued another is refused", () => {
    const leaf = { certificate: signer.certificate, chain: signer.chain };
    const trusting = { ...root, trusted: { ...root.trusted, roots: parseCertificates(leaf.certificate) } };
    const fake = strange.issue(email);
    expect(judged(keylessSign(payload, fake, entry), trusting as SigstoreTrustRoot)).toEqual(
      why(/certificate authority/),
    );
  });

  it.each([
    ["for another use", "extendedKeyUsage=serverAuth\n"],
    ["with names it may vouch for", "nameConstraints=permitted;email:example.com\n"],
  ])("by an authority %s is refused", (_, extensions) => {
    const limited = makeAuthority(extensions);
    const trusting = { ...root, trusted: { ...root.trusted, roots: parseCertificates(limited.root) } };
    const signature = keylessSign(payload, limited.issue(email), entry);
    expect(judged(signature, trusting as SigstoreTrustRoot)).toEqual(why(/certificate authority/));
  });
});

describe("a signature with an own authority's certificate", () => {
  const authority = makeAuthority();
  const signer = authority.issue("me@example.com", []);
  const pki = (subjectEmail: string | undefined, subjectHostname?: string): SigstoreTrustRoot => ({
    trusted: {
      kind: "pki",
      roots: parseCertificates(authority.root),
      intermediates: [],
      subjectEmail,
      subjectHostname,
    },
    rekor: [],
  });
  const good = keylessSign(payload, signer);

  it("is good while the certificate is", () => {
    expect(judged(good, pki("me@example.com"))).toEqual({ by: "me@example.com" });
    expect(judged(good, pki("me@example.com"), later)).toEqual(why(/not valid when it signed/));
  });

  it("is refused for another person, a host it is not for, and a changed payload", () => {
    expect(judged(good, pki("you@example.com"))).toEqual(why(/you@example\.com/));
    expect(judged(good, pki(undefined, "build.example.com"))).toEqual(why(/build\.example\.com/));
    expect(judged({ ...good, payload: cosignPayload(other, "a") }, pki("me@example.com"))).toEqual(why(/changed/));
  });

  it("need not say what its certificate is for, but must not say something else", () => {
    const silent = authority.issue("me@example.com", ["# no usages"]);
    expect(judged(keylessSign(payload, silent), pki("me@example.com"))).toEqual({ by: "me@example.com" });
    const server = authority.issue("me@example.com", ["extendedKeyUsage=serverAuth"]);
    expect(judged(keylessSign(payload, server), pki("me@example.com"))).toEqual(why(/code signing/));
  });

  it("may bring its intermediate authority in the policy", () => {
    const bare = altered(good, { "dev.sigstore.cosign/chain": undefined });
    const root = pki("me@example.com");
    const intermediates = parseCertificates(authority.intermediate);
    const full = { ...root, trusted: { ...root.trusted, intermediates } } as SigstoreTrustRoot;
    expect(judged(bare, root)).toEqual(why(/certificate authority/));
    expect(judged(bare, full)).toEqual({ by: "me@example.com" });
  });
});
