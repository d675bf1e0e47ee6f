import { createHash, createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseName } from "../../src/trust/name.ts";
import type { Wanted } from "../../src/trust/payload.ts";
import { judgeSigstore, parsePublicKeys, type SigstoreTrustRoot } from "../../src/trust/sigstore.ts";
import {
  altered,
  cosignPayload,
  cosignSign,
  type KeyPair,
  makeKeyPair,
  type SigstoreSignature,
} from "../bed/sigstore.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const other = `sha256:${"b".repeat(64)}` as const;
const wanted: Wanted = { digest, name: parseName("host.x/app:v1"), identity: { kind: "matchRepository" } };
const payload = cosignPayload(digest, "host.x/app");
const now = new Date();
const log = makeKeyPair();
const entry = { key: log.privateKey, time: now };

function judged(signature: SigstoreSignature, root: SigstoreTrustRoot): unknown {
  return judgeSigstore(signature, root, wanted, now);
}

const why = (pattern: RegExp): unknown => ({ why: expect.stringMatching(pattern) });

describe("a signature by a key", () => {
  const key = makeKeyPair();
  const stranger = makeKeyPair();
  const byKeys = (keys: readonly KeyPair[], logged = false): SigstoreTrustRoot => ({
    trusted: { kind: "keys", keys: keys.flatMap(({ publicKey }) => parsePublicKeys(publicKey)) },
    rekor: logged ? parsePublicKeys(log.publicKey) : [],
  });
  const nameOf = ({ publicKey }: KeyPair): string => {
    const der = createPublicKey(publicKey).export({ type: "spki", format: "der" });
    return `key sha256:${createHash("sha256").update(der).digest("hex")}`;
  };

  it.each(["P-256", "P-384", "ed25519", "rsa"] as const)("%s is good", (kind) => {
    const pair = makeKeyPair(kind);
    expect(judged(cosignSign(payload, pair), byKeys([pair]))).toEqual({ by: nameOf(pair) });
  });

  it("is good by any key of the policy", () => {
    expect(judged(cosignSign(payload, key), byKeys([stranger, key]))).toEqual({ by: nameOf(key) });
  });

  it("that is logged is good where the log is asked for", () => {
    expect(judged(cosignSign(payload, key, entry), byKeys([key], true))).toEqual({ by: nameOf(key) });
  });

  it.each<[string, SigstoreSignature, RegExp]>([
    ["another key", cosignSign(payload, stranger), /signed by a key that is not the policy's/],
    ["another digest", cosignSign(cosignPayload(other, "host.x/app"), key), /another digest/],
    ["another repository", cosignSign(cosignPayload(digest, "host.x/apps"), key), /another image, host\.x\/apps/],
    [
      "a payload that was changed",
      { ...cosignSign(payload, key), payload: cosignPayload(digest, "host.x/app:v1") },
      /changed/,
    ],
    [
      "no signature",
      altered(cosignSign(payload, key), { "dev.cosignproject.cosign/signature": undefined }),
      /no annotation/,
    ],
    [
      "what is no signature",
      altered(cosignSign(payload, key), { "dev.cosignproject.cosign/signature": "AAAA" }),
      /not the policy's/,
    ],
  ])("is refused for %s", (_, signature, pattern) => {
    expect(judged(signature, byKeys([key]))).toEqual(why(pattern));
  });

  it.each<[string, SigstoreSignature, RegExp]>([
    ["is not logged", cosignSign(payload, key), /no annotation dev\.sigstore\.cosign\/bundle/],
    [
      "another log has",
      cosignSign(payload, key, { key: stranger.privateKey, time: now }),
      /not signed by the policy's Rekor key/,
    ],
    [
      "is logged for another key",
      cosignSign(payload, key, { ...entry, about: { signer: stranger.publicKey } }),
      /another key/,
    ],
    [
      "is logged for another payload",
      cosignSign(payload, key, { ...entry, about: { payload: Buffer.from("x") } }),
      /another payload/,
    ],
    [
      "is logged for another signature",
      cosignSign(payload, key, { ...entry, about: { signature: Buffer.from("x") } }),
      /another signature/,
    ],
    ["has a bundle that is not JSON", altered(cosignSign(payload, key), { "dev.sigstore.cosign/bundle": "{" }), /JSON/],
  ])("that %s is refused where the log is asked for", (_, signature, pattern) => {
    expect(judged(signature, byKeys([key], true))).toEqual(why(pattern));
  });
});
