import { createHash } from "node:crypto";
import { KeelsonError, printable } from "../errors.ts";
import { digestOf } from "../image/digest.ts";
import type { Descriptor } from "../image/manifest.ts";

/** Throws E_DIGEST unless `bytes` have the size and digest that name them. `name` is how messages call the source. */
export function checkBytes(bytes: Uint8Array, descriptor: Descriptor, name: string): void {
  if (bytes.length !== descriptor.size) {
    throw mismatch(
      name,
      `${descriptor.digest} has ${bytes.length} bytes, not the ${descriptor.size} it is described with`,
    );
  }
  const actual = digestOf(bytes);
  if (actual !== descriptor.digest)
    throw mismatch(name, `what it gave for ${descriptor.digest} has the digest ${actual}`);
}

/** E_DIGEST for bytes that `name` gave and that are not what was asked for. */
export function mismatch(name: string, why: string): KeelsonError {
  return new KeelsonError("E_DIGEST", `${printable(name)}: ${why}`, {
    hint: "The bytes were damaged on the way or at their source; try again, then push or copy the image anew.",
  });
}

/** `content`, which throws E_DIGEST at its end unless it had the size and digest of `blob`. */
export async function* verified(
  content: AsyncIterable<Uint8Array>,
  blob: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of content) {
    signal?.throwIfAborted();
    size += piece.length;
    if (size > blob.size) throw mismatch(blob.digest, `it is longer than the ${blob.size} bytes it is described with`);
    hash.update(piece);
    yield piece;
  }
  if (size < blob.size) throw mismatch(blob.digest, `it ended after ${size} of ${blob.size} bytes`);
  const actual = `sha256:${hash.digest("hex")}`;
  if (actual !== blob.digest) throw mismatch(blob.digest, `the bytes that came have the digest ${actual}`);
}
