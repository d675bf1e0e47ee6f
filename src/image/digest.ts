import { createHash } from "node:crypto";
import { KeelsonError, printable } from "../errors.ts";

/** `sha256:` and 64 lower-case hex characters. https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests */
export type Digest = `sha256:${string}`;

/** Throws E_MANIFEST for anything but a sha256 digest, so that a digest may stand in a path or URL. */
export function parseDigest(text: unknown): Digest {
  if (typeof text === "string" && /^sha256:[a-f0-9]{64}$/.test(text)) return text as Digest;
  throw new KeelsonError("E_MANIFEST", `${printable(JSON.stringify(text) ?? "nothing")} is not a sha256 digest`, {
    hint: "A digest is sha256: and 64 lower-case hex characters; keelson reads no other algorithm.",
  });
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The 64 hex characters. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}
