import { type Digest, parseDigest } from "./digest.ts";
import { parseJsonObject } from "./json.ts";

/** What policy.json had to say of an image when it was let in. */
export type Verified =
  /** There was no policy. */
  | { readonly kind: "unverified" }
  /** The policy asked for no signature. */
  | { readonly kind: "accepted" }
  | {
      readonly kind: "signed";
      /** One for each requirement: the fingerprint of an OpenPGP key, a public key's digest, or who logged in where. */
      readonly by: readonly string[];
      /** Of the requirements with their keys: as long as they are the same, the image need not be asked about again. */
      readonly under: Digest;
    };

/** One line for people. An image of which nothing is known came when nobody asked. */
export function formatVerified(verified: Verified | undefined): string {
  switch (verified?.kind) {
    case undefined:
    case "unverified":
      return "unverified: there is no policy.json";
    case "accepted":
      return "accepted by policy without a signature";
    case "signed":
      return `signed by ${verified.by.join(", ")}`;
  }
}

/** As `--json` gives it. */
export function describeVerified(verified: Verified | undefined): Readonly<Record<string, unknown>> {
  return verified?.kind === "signed"
    ? { kind: verified.kind, by: verified.by }
    : { kind: verified?.kind ?? "unverified", by: [] };
}

/** Reads what JSON.stringify wrote; undefined for what is not there. Throws E_MANIFEST for anything else. */
export function parseVerified(text: unknown): Verified | undefined {
  if (typeof text !== "string") return undefined;
  const value = parseJsonObject(Buffer.from(text), "the verdict on an image", 1024 * 1024);
  if (value.kind === "unverified" || value.kind === "accepted") return { kind: value.kind };
  if (value.kind !== "signed" || !Array.isArray(value.by)) return undefined;
  return { kind: "signed", by: value.by.map(String), under: parseDigest(value.under) };
}
