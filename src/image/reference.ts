import { KeelsonError, printable } from "../errors.ts";
import { type Digest, hexOf, parseDigest } from "./digest.ts";
import {
  type DaemonReference,
  formatDaemonImage,
  formatStorageImage,
  parseDaemonReference,
  parseStorageReference,
  type StorageReference,
} from "./engine-reference.ts";
import { formatVersioned, isHost, isQualified, parseVersioned, type VersionedName } from "./grammar.ts";

/** What an image is called. A registry reference has a tag or a digest, never both; without either the tag is `latest`. */
export type Reference = OutsideReference | StoreReference;

/** An image that is somewhere else than in keelson's own store. */
export type OutsideReference = RegistryReference | FileReference | DaemonReference | StorageReference;

export interface RegistryReference extends VersionedName {
  readonly kind: "registry";
  /** `host` or `host:port`, as written in the reference. */
  readonly host: string;
}

export interface FileReference {
  readonly kind: "oci" | "oci-archive" | "docker-archive" | "dir";
  readonly path: string;
  /**
   * For oci and oci-archive the `org.opencontainers.image.ref.name`; for docker-archive a RepoTag, or `@N`, counted from 0; dir
   * has none.
   */
  readonly tag?: string;
}

/** An image in keelson's own store: the one of that name, or that has this digest or id. */
export type StoreReference =
  | { readonly kind: "ostree"; readonly name: OutsideReference }
  | { readonly kind: "ostree"; readonly digest: Digest };

/** A name without its registry, which registries.conf may complete. */
export interface ShortName extends VersionedName {
  readonly kind: "short";
}

/** What stands before the colon of references that are of no registry. */
const transports = [
  "oci",
  "oci-archive",
  "docker-archive",
  "dir",
  "docker-daemon",
  "containers-storage",
  "ostree",
] as const;

/**
 * Reads `docker://HOST[:PORT]/REPO[:TAG|@DIGEST]` (the prefix may be left out), `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
 * `docker-archive:FILE[:TAG|:@INDEX]`, `dir:DIR`, `docker-daemon:NAME[:TAG|@DIGEST]` or `docker-daemon:ID`, and
 * `containers-storage:[STORE]NAME`: see parseStorageReference; and `ostree:REFERENCE` or `ostree:DIGEST`. No network, no files:
 * the text alone decides. Throws E_REFERENCE.
 * Grammar of names and tags: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
export function parseReference(text: string): Reference {
  const name = parseName(text);
  if (name.kind === "short") throw unqualified(text);
  return name;
}

/** Like parseReference, but `REPOSITORY[:TAG|@DIGEST]` without a host is a short name instead of an error. */
export function parseName(text: string): Reference | ShortName {
  if (/[\s\x00-\x1f\x7f]/.test(text)) throw malformed(text, "it contains white space or a control character");
  const transport = transports.find((kind) => text.startsWith(`${kind}:`));
  if (transport !== undefined) return parseLocal(transport, text.slice(transport.length + 1), text);
  const unknown = /^([a-z-]+):(?:\/|\.)/.exec(text);
  if (unknown && !text.startsWith("docker://")) {
    const known = ["docker://", ...transports.map((kind) => `${kind}:`)].join(", ");
    throw malformed(text, `the transport ${unknown[1]}: is not one of ${known}`);
  }
  const name = text.replace(/^docker:\/\//, "");
  if (isQualified(name)) return parseRegistryReference(name, text);
  if (name !== text) throw unqualified(text);
  const refused = (why: string): Error => malformed(text, why);
  return { kind: "short", ...parseVersioned(name, refused, () => unqualified(text)) };
}

function parseLocal(kind: (typeof transports)[number], rest: string, text: string): Reference {
  switch (kind) {
    case "docker-daemon":
      return parseDaemonReference(rest, (why) => malformed(text, why));
    case "containers-storage":
      return parseStorageReference(rest, (why) => malformed(text, why));
    case "ostree":
      return parseStoreReference(rest, text);
    default:
      return parseFileReference(kind, rest, text);
  }
}

/** Reads `[docker://]HOST[:PORT]/REPO`, with neither tag nor digest. Throws E_REFERENCE. */
export function parseRepository(text: string): Pick<RegistryReference, "host" | "repository"> {
  const name = text.replace(/^docker:\/\//, "");
  const reference = parseReference(`docker://${name}`);
  if (reference.kind !== "registry" || reference.digest !== undefined || /:[^/]*$/.test(name.replace(/^[^/]*/, ""))) {
    throw malformed(text, "a repository is wanted, without a tag or digest");
  }
  return { host: reference.host, repository: reference.repository };
}

/** The inverse of parseReference, in the form that needs no default. */
export function formatReference(reference: Reference): string {
  switch (reference.kind) {
    case "registry":
      return `${reference.host}/${formatVersioned(reference)}`;
    case "docker-daemon":
      return `${reference.kind}:${formatDaemonImage(reference)}`;
    case "containers-storage":
      return `${reference.kind}:${formatStorageImage(reference)}`;
    case "ostree":
      return `${reference.kind}:${"digest" in reference ? reference.digest : formatReference(reference.name)}`;
    default:
      return `${reference.kind}:${reference.path}${reference.tag === undefined ? "" : `:${reference.tag}`}`;
  }
}

/**
 * The container name an image gets without --name: the last part of its path, `-TAG` behind it unless the tag is
 * `latest`; a digest is dropped. May be outside the allowed names: the caller checks.
 */
export function containerNameOf(reference: Reference): string {
  const { repository, tag } = imageNameOf(reference);
  const last = repository.slice(repository.lastIndexOf("/") + 1);
  return tag === undefined || tag === "latest" ? last : `${last}-${tag}`;
}

function imageNameOf(reference: Reference): { readonly repository: string; readonly tag?: string | undefined } {
  switch (reference.kind) {
    case "registry":
      return reference;
    case "docker-daemon":
      return "id" in reference ? { repository: hexOf(reference.id) } : reference.name;
    case "containers-storage":
      return reference.name ?? { repository: reference.id ?? "" };
    case "ostree":
      return "digest" in reference ? { repository: hexOf(reference.digest) } : imageNameOf(reference.name);
    default:
      return { repository: fileImageName(reference), tag: fileImageTag(reference) };
  }
}

function fileImageName(reference: FileReference): string {
  const path = reference.path.replace(/\/+$/, "");
  const named = /^(?:.*\/)?([^/:]+):[^/:]+$/.exec(reference.kind === "dir" ? path : (reference.tag ?? ""));
  return named?.[1] ?? path.replace(/\.(?:tar|oci|tgz|tar\.gz)$/, "");
}

function fileImageTag(reference: FileReference): string | undefined {
  // skopeo sync calls a directory NAME:TAG.
  if (reference.kind === "dir") return /:([^/:]+)\/*$/.exec(reference.path)?.[1];
  if (reference.tag?.startsWith("@")) return undefined;
  return reference.tag?.slice(reference.tag.lastIndexOf(":") + 1);
}

function parseStoreReference(rest: string, text: string): StoreReference {
  if (/^sha256:[a-f0-9]{64}$/.test(rest)) return { kind: "ostree", digest: parseDigest(rest) };
  const name = parseReference(rest);
  if (name.kind === "ostree") throw malformed(text, "the store is named twice");
  return { kind: "ostree", name };
}

function parseFileReference(kind: FileReference["kind"], rest: string, text: string): FileReference {
  // The path ends at the first colon, as in containers-transports(5); a tag of docker-archive has a colon of its own.
  const colon = kind === "dir" ? -1 : rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path === "") throw malformed(text, "it names no path");
  if (tag === "") throw malformed(text, "the tag is empty");
  return tag === undefined ? { kind, path } : { kind, path, tag };
}

function parseRegistryReference(name: string, text: string): RegistryReference {
  const slash = name.indexOf("/");
  const host = name.slice(0, slash);
  if (!isHost(host)) throw malformed(text, `${printable(host)} is not a registry host`);
  return { kind: "registry", host, ...parseVersioned(name.slice(slash + 1), (why) => malformed(text, why)) };
}

/** E_REFERENCE for a name without a registry that nothing completes. */
export function unqualified(text: string): KeelsonError {
  return new KeelsonError("E_REFERENCE", `${printable(text)} does not say which registry it comes from`, {
    hint: "Write the registry's host first, HOST/REPOSITORY:TAG, or name a file with oci:, oci-archive: or docker-archive:.",
  });
}

function malformed(text: string, why: string): KeelsonError {
  return new KeelsonError("E_REFERENCE", `${printable(text)} is not an image reference: ${why}`, {
    hint: "Write HOST[:PORT]/REPOSITORY[:TAG|@sha256:DIGEST], or a transport and what it wants, as in oci:DIR[:TAG]; the README lists them.",
  });
}

/** Twelve hex characters of a digest, as lists show it. */
export function shortDigest(digest: Digest): string {
  return hexOf(digest).slice(0, 12);
}
