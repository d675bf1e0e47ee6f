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

/** An image in a store of podman, buildah or CRI-O: of a name, of an id or its beginning, or of both. */
export interface StorageReference {
  readonly kind: "containers-storage";
  /** Without it, the store of storage.conf. */
  readonly store?: { readonly driver?: string; readonly root: string };
  readonly name?: VersionedName;
  readonly id?: string;
}

/**
 * `[[DRIVER@]ROOT[+RUNROOT][:OPTIONS]]NAME[:TAG|@DIGEST][@ID]`, where the store may be left out and `@ID` may stand alone;
 * run root and options are for writers and dropped. `refused` makes the error for what is not.
 */
export function parseStorageReference(text: string, refused: Refusal): StorageReference {
  const { store, rest } = parseStore(text, refused);
  const [, before = rest, id] = /^(?:(.*?)@)?([0-9a-f]{64}|(?<=@)[0-9a-f]{3,63})$/.exec(rest) ?? [];
  const bare = id !== undefined && rest.length - id.length <= 1;
  if (rest === "") throw refused("it names no image");
  return {
    kind: "containers-storage",
    ...(store && { store }),
    ...(bare ? {} : { name: parseEngineName(before, refused) }),
    ...(id && { id }),
  };
}

/** What stands behind the transport. */
export function formatStorageImage({ store, name, id }: StorageReference): string {
  const place = store === undefined ? "" : `[${store.driver === undefined ? "" : `${store.driver}@`}${store.root}]`;
  return `${place}${name === undefined ? "" : formatVersioned(name)}${id === undefined ? "" : `@${id}`}`;
}

function parseStore(text: string, refused: Refusal): { store?: StorageReference["store"]; rest: string } {
  if (!text.startsWith("[")) return { rest: text };
  const [all = "", driver, root] = /^\[(?:([a-z0-9]+)@)?(\/[^\]+:]*)(?:\+\/[^\]:]*)?(?::[^\]]*)?\]/.exec(text) ?? [];
  if (root === undefined) throw refused("a store is [DRIVER@/ROOT]");
  return { store: { ...(driver && { driver }), root }, rest: text.slice(all.length) };
}
