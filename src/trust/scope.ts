import type { StorageReference } from "../image/engine-reference.ts";
import type { Reference } from "../image/reference.ts";
import { engineName, formatName, type ImageName, nameOf } from "./name.ts";

/** Where policy.json is asked about an image: a transport, and its scopes from the narrowest on. */
export interface Place {
  readonly transport: string;
  readonly scopes: readonly string[];
  /** What the image is called; absent where a transport knows no names. */
  readonly name?: ImageName;
}

/**
 * `path` is that of the reference without symbolic links; of containers-storage it is `DRIVER@ROOT`. containers-policy.json(5),
 * "Supported transports".
 */
export function placeOf(reference: Reference, path: string): Place {
  switch (reference.kind) {
    case "registry": {
      const name = nameOf(reference);
      return { transport: "docker", name, scopes: scopesOfName(name) };
    }
    case "dir":
    case "oci":
    case "oci-archive":
      return { transport: reference.kind, scopes: scopesOfPath(path) };
    case "docker-archive":
      return { transport: reference.kind, scopes: [] };
    case "containers-storage":
      return placeInStorage(reference, path);
    case "ostree":
      return "name" in reference ? placeOf(reference.name, path) : { transport: reference.kind, scopes: [] };
    case "docker-daemon": {
      if ("id" in reference) return { transport: reference.kind, scopes: [] };
      const name = engineName(reference.name);
      return { transport: reference.kind, name, scopes: scopesOfName(name) };
    }
  }
}

/** The name itself, its repository, the namespaces above, the host, and `*.` wildcards of its domains without the port. */
function scopesOfName(image: ImageName): readonly string[] {
  const domains = image.name.replace(/[:/].*/, "").split(".");
  const wildcards = domains.slice(1).map((_, index) => `*.${domains.slice(index + 1).join(".")}`);
  return [formatName(image), ...namespacesOf(image), ...wildcards];
}

/** The repository, the namespaces above and the host. */
function namespacesOf({ name }: ImageName): readonly string[] {
  const parts = name.split("/");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("/"));
}

/** `[DRIVER@ROOT]` with the image, its repository, the namespaces above; alone; and without the driver. */
function placeInStorage({ kind, name: written, id }: StorageReference, store: string): Place {
  const last = [`[${store}]`, `[${store.replace(/^[^@/]*@/, "")}]`];
  const suffix = id === undefined ? [] : [`@${id}`];
  if (written === undefined) return { transport: kind, scopes: [...suffix.map((one) => `[${store}]${one}`), ...last] };
  const name = engineName(written);
  const whole = [...suffix.map((one) => `${formatName(name)}${one}`), formatName(name)];
  const namespaces = [...whole, ...namespacesOf(name)].map((scope) => `[${store}]${scope}`);
  return { transport: kind, name, scopes: [...namespaces, ...last] };
}

/** The path and the directories above it, but for the topmost. */
function scopesOfPath(path: string): readonly string[] {
  const parts = path.split("/").slice(1);
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`);
}

/** What is wrong with a scope of `transport`; undefined for one that may be there. */
export function scopeProblem(transport: string, scope: string): string | undefined {
  switch (transport) {
    case "dir":
    case "oci":
    case "oci-archive":
      if (!scope.startsWith("/")) return "is not an absolute path";
      if (scope === "/") return 'is not to be used: write "" for all of them';
      return /\/\.{0,2}(?:\/|$)/.test(scope) ? "is a path with empty parts, . or .." : undefined;
    case "docker-archive":
      return 'is not to be used: there is only ""';
    case "docker-daemon":
      return /^sha256:[0-9a-f]{64}$/.test(scope) ? 'is an image id: write "" for all of them' : undefined;
    case "containers-storage":
      return /^\[(?:[^@\]]+@)?\/[^\]]*\]/.test(scope) ? undefined : "does not begin with [DRIVER@/ROOT]";
    default:
      return undefined;
  }
}
