import type { Digest } from "./digest.ts";

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
