import { printable } from "../errors.ts";
import { type Digest, parseDigest } from "./digest.ts";

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;

/** `REPOSITORY[:TAG|@DIGEST]`, taken apart. */
export interface VersionedName {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** What is wrong with a name, as an error that names it. */
export type Refusal = (why: string) => Error;

/** `HOST` or `HOST:PORT`. */
export function isHost(text: string): boolean {
  return hostPattern.test(text);
}

/** Whether the first part of a name is a host. */
export function isQualified(name: string): boolean {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  return slash > 0 && (/[.:]/.test(first) || first === "localhost" || first.startsWith("["));
}

/**
 * Takes `REPOSITORY[:TAG|@DIGEST]` apart; without either the tag is `latest`. What `refused` or, for the repository,
 * `unnamed` makes is thrown.
 */
export function parseVersioned(name: string, refused: Refusal, unnamed: Refusal = refused): VersionedName {
  const { repository, tag, digest } = splitName(name, refused);
  if (!repositoryPattern.test(repository) || repository.length > 255) {
    throw unnamed("a repository is lower-case letters, digits and separators . _ - between slashes");
  }
  if (digest !== undefined) return { repository, digest };
  if (tag !== undefined && !tagPattern.test(tag)) throw unnamed("a tag is up to 128 of A-Z a-z 0-9 _ . -");
  return { repository, tag: tag ?? "latest" };
}

/** The same with or without a host before the repository, which stays in front of it. */
export function parseEngineName(name: string, refused: Refusal): VersionedName {
  if (!isQualified(name)) return parseVersioned(name, refused);
  const slash = name.indexOf("/");
  const host = name.slice(0, slash);
  if (!isHost(host)) throw refused(`${printable(host)} is not a registry host`);
  const rest = parseVersioned(name.slice(slash + 1), refused);
  return { ...rest, repository: `${host}/${rest.repository}` };
}

/** The inverse of parseVersioned and parseEngineName. */
export function formatVersioned({ repository, tag, digest }: VersionedName): string {
  return digest === undefined ? `${repository}:${tag ?? "latest"}` : `${repository}@${digest}`;
}

function splitName(name: string, refused: Refusal): { repository: string; tag?: string; digest?: Digest } {
  const at = name.indexOf("@");
  if (at >= 0) {
    const digest = name.slice(at + 1);
    if (!/^sha256:[a-f0-9]{64}$/.test(digest)) throw refused("the digest is not sha256: and 64 hex characters");
    if (name.slice(0, at).includes(":")) throw refused("it has both a tag and a digest");
    return { repository: name.slice(0, at), digest: parseDigest(digest) };
  }
  const colon = name.lastIndexOf(":");
  if (colon < 0) return { repository: name };
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}
