import { KeelsonError, printable } from "../errors.ts";
import { formatReference, parseReference, type RegistryReference, type ShortName } from "./reference.ts";

/**
 * What registries.conf and its drop-ins say together.
 * https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md
 */
export interface Registries {
  /** Registries that a short name may be of, in order. */
  readonly searched: readonly string[];
  /** What to do with a short name that several registries may have; absent when no file says. */
  readonly shortNameMode?: ShortNameMode;
  /** Where credentials are looked for, in order; `containers-auth.json` stands for the credential files. */
  readonly credentialHelpers: readonly string[];
  readonly rules: readonly RegistryRule[];
  /** Repositories with their hosts by short name. */
  readonly aliases: ReadonlyMap<string, string>;
}

export type ShortNameMode = "enforcing" | "permissive" | "disabled";

/** One [[registry]]. */
export interface RegistryRule {
  /** The file it stands in. */
  readonly file: string;
  /** `host[:port][/path[:tag|@digest]]`, or `*.domain`. */
  readonly prefix: string;
  /** What stands for the prefix when the image is fetched; absent: the prefix itself. */
  readonly location?: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
}

export interface Mirror {
  readonly location: string;
  readonly insecure: boolean;
  /** Which references it is asked for. */
  readonly serves: "all" | "digest-only" | "tag-only";
}

/** One place that an image is fetched from. */
export interface Endpoint {
  readonly reference: RegistryReference;
  /** Its certificate is not checked, and it may be spoken to over plain HTTP. */
  readonly insecure: boolean;
}

/** What holds where there is no registries.conf. */
export const noRegistries: Registries = {
  searched: [],
  credentialHelpers: ["containers-auth.json"],
  rules: [],
  aliases: new Map(),
};

/**
 * Where the image is asked for, in order: the mirrors of the rule with the longest prefix, then its location. Throws
 * E_BLOCKED, and E_SETTINGS for a location that makes no reference.
 */
export function endpointsOf(registries: Registries, reference: RegistryReference): readonly Endpoint[] {
  const name = formatReference(withLibrary(reference));
  const rule = ruleFor(registries.rules, name);
  if (rule === undefined) return [{ reference, insecure: false }];
  if (rule.blocked) throw blocked(reference, rule);
  const rest = name.slice(matchLength(rule.prefix, name));
  const wanted = reference.digest === undefined ? "tag-only" : "digest-only";
  const mirrors = rule.mirrors.filter(({ serves }) => serves === "all" || serves === wanted);
  const own = rule.location === undefined ? reference : located(rule, rule.location, rest);
  return [
    ...mirrors.map(({ location, insecure }) => ({ reference: located(rule, location, rest), insecure })),
    { reference: own, insecure: rule.insecure },
  ];
}

/** What a short name may stand for: its alias alone, else the repository of that name in each registry that is searched. */
export function candidatesOf(registries: Registries, name: ShortName): readonly RegistryReference[] {
  const alias = registries.aliases.get(name.repository);
  const version = name.digest === undefined ? `:${name.tag ?? "latest"}` : `@${name.digest}`;
  const repositories = alias === undefined ? registries.searched.map((host) => `${host}/${name.repository}`) : [alias];
  return repositories.map((repository) => withLibrary(parseRegistry(`${repository}${version}`)));
}

/** Docker Hub keeps its official images under library/. */
function withLibrary(reference: RegistryReference): RegistryReference {
  const official = reference.host === "docker.io" && !reference.repository.includes("/");
  return official ? { ...reference, repository: `library/${reference.repository}` } : reference;
}

function ruleFor(rules: readonly RegistryRule[], name: string): RegistryRule | undefined {
  const exactness = ({ prefix }: RegistryRule): readonly number[] => [
    matchLength(prefix, name),
    prefix.startsWith("*.") ? 0 : 1,
    prefix.length,
  ];
  const matching = rules.filter(({ prefix }) => matchLength(prefix, name) > 0);
  return matching.toSorted((one, other) => compare(exactness(other), exactness(one)))[0];
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((number, index) => number !== other[index]);
  return at < 0 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}

/** How much of `name`, a reference with tag or digest, the prefix stands for; 0 when it does not match. */
function matchLength(prefix: string, name: string): number {
  if (prefix.startsWith("*.")) {
    // Every port of such a host is meant, and stands with it for the location.
    const [, host = "", port = ""] = /^([^/:]*)(:[0-9]+)?/.exec(name) ?? [];
    return host.endsWith(prefix.slice(1)) && host.length >= prefix.length ? host.length + port.length : 0;
  }
  if (!name.startsWith(prefix)) return 0;
  // What follows a host alone is its repository: a colon there would begin a port, which is another registry.
  const next = name.charAt(prefix.length);
  return (prefix.includes("/") ? ["", "/", ":", "@"] : ["/"]).includes(next) ? prefix.length : 0;
}

function located(rule: RegistryRule, location: string, rest: string): RegistryReference {
  try {
    return withLibrary(parseRegistry(`${location}${rest}`));
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    const what = `location ${printable(location)} for the prefix ${printable(rule.prefix)}`;
    throw new KeelsonError(
      "E_SETTINGS",
      `${rule.file}: ${what} makes ${printable(location + rest)}, no image reference`,
      {
        hint: "Location and prefix have to name as much: both a host, or both a repository.",
        cause: error,
      },
    );
  }
}

function parseRegistry(text: string): RegistryReference {
  const reference = parseReference(`docker://${text}`);
  if (reference.kind !== "registry") throw new Error(`${text} is of no registry`);
  return reference;
}

function blocked(reference: RegistryReference, rule: RegistryRule): KeelsonError {
  return new KeelsonError(
    "E_BLOCKED",
    `${formatReference(reference)} may not be used: ${rule.file} blocks ${rule.prefix}`,
    {
      hint: "Whoever keeps that file wants nothing to do with that registry; take another one, or change the file.",
    },
  );
}
