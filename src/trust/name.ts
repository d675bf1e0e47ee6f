import type { VersionedName } from "../image/grammar.ts";
import type { RegistryReference } from "../image/reference.ts";

/** What an image is called in policies and signatures: the name written out, `docker.io/library/busybox`. */
export interface ImageName {
  readonly name: string;
  readonly tag?: string;
  readonly digest?: string;
}

const domainPart = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domain = `(?:${domainPart}(?:\\.${domainPart})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const wholeName = new RegExp(`^${domain}(?:/${component})+$`);
const prefixName = new RegExp(`^${domain}(?:/${component})*$`);
const written = /^([^@]*?)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@([a-z0-9+._-]+:[0-9a-fA-F]{32,}))?$/;

/**
 * Reads a name as signatures and policies write it; `busybox` is `docker.io/library/busybox`. undefined when it is none.
 * Grammar: https://pkg.go.dev/github.com/distribution/reference
 */
export function parseName(text: string): ImageName | undefined {
  const [, bare = "", tag, digest] = written.exec(text) ?? [];
  if (/^[0-9a-f]{64}$/.test(bare)) return undefined;
  const name = expanded(bare);
  if (!wholeName.test(name)) return undefined;
  return { name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** The name that a registry reference stands for. */
export function nameOf({ host, repository, tag, digest }: RegistryReference): ImageName {
  return engineName({ repository: `${host}/${repository}`, ...(tag && { tag }), ...(digest && { digest }) });
}

/** The same for a name that may lack its host, as container engines keep images. */
export function engineName({ repository, tag, digest }: VersionedName): ImageName {
  const name = expanded(repository);
  return digest === undefined ? { name, tag: tag ?? "latest" } : { name, digest };
}

export function formatName({ name, tag, digest }: ImageName): string {
  return `${name}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** Whether `text` is a host, a namespace or a repository with its host. */
export function isNamePrefix(text: string): boolean {
  return prefixName.test(text);
}

function expanded(bare: string): string {
  const slash = bare.indexOf("/");
  const first = slash < 0 ? "" : bare.slice(0, slash);
  const hosted = /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first;
  const [host, path] = hosted ? [first, bare.slice(slash + 1)] : ["docker.io", bare];
  if (host !== "docker.io" && host !== "index.docker.io") return bare;
  return `docker.io/${path.includes("/") ? path : `library/${path}`}`;
}
