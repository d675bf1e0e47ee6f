import { KeelsonError, printable } from "../errors.ts";
import { type Digest, hexOf, parseDigest } from "./digest.ts";

/** What an image is called. A registry reference has a tag or a digest, never both; without either the tag is `latest`. */
export type Reference = RegistryReference | FileReference;

export interface RegistryReference {
  readonly kind: "registry";
  /** `host` or `host:port`, as written in the reference. */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export interface FileReference {
  readonly kind: "oci" | "oci-archive" | "docker-archive" | "dir";
  readonly path: string;
  /** For oci and oci-archive the `org.opencontainers.image.ref.name`; for docker-archive a RepoTag, or `@N`, counted from 0; dir has none. */
  readonly tag?: string;
}

/** A name without its registry, which registries.conf may complete. */
export interface ShortName {
  readonly kind: "short";
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;

/**
 * Reads `docker://HOST[:PORT]/REPO[:TAG|@DIGEST]` (the prefix may be left out), `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
 * `docker-archive:FILE[:TAG|:@INDEX]` and `dir:DIR`. No network, no files: the text alone decides. Throws E_REFERENCE.
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
  const transport = /^(oci|oci-archive|docker-archive|dir):(.*)$/.exec(text);
  if (transport) return parseFileReference(transport[1] as FileReference["kind"], transport[2] ?? "", text);
  const unknown = /^([a-z-]+):(?:\/|\.)/.exec(text);
  if (unknown && !text.startsWith("docker://")) {
    throw malformed(
      text,
      `the transport ${unknown[1]}: is not one of docker://, oci:, oci-archive:, docker-archive:, dir:`,
    );
  }
  const name = text.replace(/^docker:\/\//, "");
  if (isQualified(name)) return parseRegistryReference(name, text);
  if (name !== text) throw unqualified(text);
  return { kind: "short", ...parseVersioned(name, text, () => unqualified(text)) };
}

/** Whether the first part is a host. */
function isQualified(name: string): boolean {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  return slash > 0 && (/[.:]/.test(first) || first === "localhost" || first.startsWith("["));
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
  if (reference.kind !== "registry") {
    return `${reference.kind}:${reference.path}${reference.tag === undefined ? "" : `:${reference.tag}`}`;
  }
  const name = `${reference.host}/${reference.repository}`;
  return reference.digest ? `${name}@${reference.digest}` : `${name}:${reference.tag ?? "latest"}`;
}

/**
 * The container name an image gets without --name: the last part of its path, `-TAG` behind it unless the tag is
 * `latest`; a digest is dropped. May be outside the allowed names: the caller checks.
 */
export function containerNameOf(reference: Reference): string {
  const path = reference.kind === "registry" ? reference.repository : fileImageName(reference);
  const last = path.slice(path.lastIndexOf("/") + 1);
  const tag = reference.kind === "registry" ? reference.tag : fileImageTag(reference);
  return tag === undefined || tag === "latest" ? last : `${last}-${tag}`;
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
  if (!hostPattern.test(host)) throw malformed(text, `${host} is not a registry host`);
  return { kind: "registry", host, ...parseVersioned(name.slice(slash + 1), text, (why) => malformed(text, why)) };
}

/** `REPOSITORY[:TAG|@DIGEST]`; `refused` makes the error for what is not. */
function parseVersioned(name: string, text: string, refused: (why: string) => KeelsonError): Omit<ShortName, "kind"> {
  const { repository, tag, digest } = splitName(name, text);
  if (!repositoryPattern.test(repository) || repository.length > 255) {
    throw refused("a repository is lower-case letters, digits and separators . _ - between slashes");
  }
  if (digest !== undefined) return { repository, digest };
  if (tag !== undefined && !tagPattern.test(tag)) throw refused("a tag is up to 128 of A-Z a-z 0-9 _ . -");
  return { repository, tag: tag ?? "latest" };
}

function splitName(name: string, text: string): { repository: string; tag?: string; digest?: Digest } {
  const at = name.indexOf("@");
  if (at >= 0) {
    const digest = name.slice(at + 1);
    if (!/^sha256:[a-f0-9]{64}$/.test(digest)) throw malformed(text, "the digest is not sha256: and 64 hex characters");
    if (name.slice(0, at).includes(":")) throw malformed(text, "it has both a tag and a digest");
    return { repository: name.slice(0, at), digest: parseDigest(digest) };
  }
  const colon = name.lastIndexOf(":");
  if (colon < 0) return { repository: name };
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

/** E_REFERENCE for a name without a registry that nothing completes. */
export function unqualified(text: string): KeelsonError {
  return new KeelsonError("E_REFERENCE", `${printable(text)} does not say which registry it comes from`, {
    hint: "Write the registry's host first, HOST/REPOSITORY:TAG, or name a file with oci:, oci-archive: or docker-archive:.",
  });
}

function malformed(text: string, why: string): KeelsonError {
  return new KeelsonError("E_REFERENCE", `${printable(text)} is not an image reference: ${why}`, {
    hint: "Write docker://HOST[:PORT]/REPOSITORY[:TAG|@sha256:DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:TAG].",
  });
}

/** Twelve hex characters of a digest, as lists show it. */
export function shortDigest(digest: Digest): string {
  return hexOf(digest).slice(0, 12);
}
