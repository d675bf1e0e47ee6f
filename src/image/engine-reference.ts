import { type Digest, parseDigest } from "./digest.ts";
import { formatVersioned, parseEngineName, type Refusal, type VersionedName } from "./grammar.ts";

/** An image of a Docker daemon, by name or by its id. */
export type DaemonReference =
  | { readonly kind: "docker-daemon"; readonly name: VersionedName }
  | { readonly kind: "docker-daemon"; readonly id: Digest };

/** `NAME[:TAG|@DIGEST]` or `sha256:ID`. `refused` makes the error for what is not. */
export function parseDaemonReference(rest: string, refused: Refusal): DaemonReference {
  if (/^sha256:[a-f0-9]{64}$/.test(rest)) return { kind: "docker-daemon", id: parseDigest(rest) };
  return { kind: "docker-daemon", name: parseEngineName(rest, refused) };
}

/** What stands behind the transport. */
export function formatDaemonImage(reference: DaemonReference): string {
  return "id" in reference ? reference.id : formatVersioned(reference.name);
}
