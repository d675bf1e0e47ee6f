import { resolve } from "node:path";
import { KeelsonError, printable } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import {
  containerNameOf,
  type FileReference,
  formatReference,
  parseName,
  type RegistryReference,
  type ShortName,
  unqualified,
} from "../image/reference.ts";
import { candidatesOf } from "../image/registries.ts";
import { readBundleNames } from "../source/bundle.ts";
import type { World } from "../world.ts";

/** An image as a person called it, and how it is to be had. */
export interface NameRequest {
  readonly image: string;
  readonly platform?: string | undefined;
  readonly tlsVerify: boolean;
  /** The archive that has the image under its name, asked instead of the registry. */
  readonly bundle?: FileReference | undefined;
  /** Nothing but the image of this digest, or in a registry one of the index of this digest. */
  readonly digest?: Digest | undefined;
}

/** What a person called an image, with its registry. */
export interface NamedImage {
  readonly image: string;
  readonly bundle?: FileReference | undefined;
  /** Keeps the answer to a short name that was ambiguous; to be called when the image is here. */
  remember(): Promise<void>;
}

/**
 * Completes a short name by registries.conf: its alias, else the one registry that is searched. Of several a person on a
 * terminal chooses one; elsewhere it is an error, unless short-name-mode allows to try one after the other. A name with
 * its registry stays as it is. Throws E_REFERENCE.
 */
export async function nameImage(world: World, request: NameRequest): Promise<NamedImage> {
  const name = parseName(request.image);
  if (name.kind !== "short") return settled(request.image);
  const registries = await world.registries();
  const candidates = candidatesOf(registries, name);
  const [only, ...others] = candidates;
  if (only === undefined) throw unqualified(request.image);
  if (others.length === 0) return settled(formatReference(only));
  if (registries.shortNameMode !== "disabled") {
    const shown = candidates.map(formatReference);
    const choice = await world.output.choose(`${name.repository} may be any of these:`, shown, world.signal);
    const chosen = choice === undefined ? undefined : candidates[choice];
    if (chosen !== undefined) return remembered(world, name, chosen);
  }
  if ((registries.shortNameMode ?? "enforcing") === "enforcing") throw ambiguous(request.image, candidates);
  return settled(await firstOffered(world, request, candidates));
}

/**
 * The image of a bundle that is called `image`, or whose name ends so; without it, the only one. One that came from a file is
 * called by its place in the bundle. Throws E_REFERENCE, E_SOURCE.
 */
export async function nameInBundle(world: World, bundle: string, image: string | undefined): Promise<NamedImage> {
  const path = resolve(bundle);
  const names = await readBundleNames({ kind: "oci-archive", path }, world.sourceOptions(true));
  const wanted = image?.replace(/^docker:\/\//, "");
  const called = (name: string): boolean =>
    wanted === undefined || [wanted, `${wanted}:latest`].some((text) => name === text || name.endsWith(`/${text}`));
  const matching = names.filter((name) => name === wanted).concat(names.filter(called));
  const [tag] = matching;
  if (tag === undefined || (tag !== wanted && new Set(matching).size > 1)) {
    const list = names.map((name) => `\n${printable(name)}`).join("");
    const what = image === undefined ? "holds not one image" : `holds no one image called ${printable(image)}`;
    throw new KeelsonError("E_REFERENCE", `${printable(path)} ${what}, but these:${list}`, {
      hint: "Name one of them.",
    });
  }
  const archive = { kind: "oci-archive", path, tag } as const;
  if (qualified(tag) === undefined) return settled(formatReference(archive));
  return { ...settled(tag), bundle: archive };
}

/**
 * The image that a container goes over to, or its `current` one as a bundle has it; undefined for its own where that comes
 * from. Throws E_REFERENCE, E_SOURCE.
 */
export async function nameNext(
  world: World,
  wanted: { readonly rebase?: string | undefined; readonly bundle?: string | undefined; readonly tlsVerify: boolean },
  current: () => string,
): Promise<NamedImage | undefined> {
  const { rebase, bundle, tlsVerify } = wanted;
  if (bundle === undefined) return rebase === undefined ? undefined : nameImage(world, { image: rebase, tlsVerify });
  return rebase === undefined ? nameAsBundled(world, bundle, current()) : nameInBundle(world, bundle, rebase);
}

/**
 * The image of a reference, or of a short name, as a bundle has it: one of a file is there by its own name. Throws E_REFERENCE,
 * E_SOURCE.
 */
export function nameAsBundled(world: World, bundle: string, image: string): Promise<NamedImage> {
  const reference = parseName(image);
  if (reference.kind === "short") return nameInBundle(world, bundle, image);
  const tag = "path" in reference ? reference.tag : undefined;
  const name = reference.kind === "registry" ? formatReference(reference) : (tag ?? containerNameOf(reference));
  return nameInBundle(world, bundle, name);
}

/** The image in a registry that a name in an archive stands for; undefined for a name of another kind. */
export function qualified(name: string): RegistryReference | undefined {
  try {
    const reference = parseName(name);
    return reference.kind === "registry" && formatReference(reference) === name ? reference : undefined;
  } catch (error) {
    if (error instanceof KeelsonError) return undefined;
    throw error;
  }
}

function settled(image: string): NamedImage {
  return { image, remember: async () => undefined };
}

function remembered(world: World, name: ShortName, chosen: RegistryReference): NamedImage {
  const repository = `${chosen.host}/${chosen.repository}`;
  return { image: formatReference(chosen), remember: () => world.rememberAlias(name.repository, repository) };
}

/** The first of the candidates that its registry has. */
async function firstOffered(
  world: World,
  request: NameRequest,
  candidates: readonly RegistryReference[],
): Promise<string> {
  const platform = request.platform === undefined ? hostPlatform(process.arch) : parsePlatform(request.platform);
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const source = world.source(candidate, request.tlsVerify);
    try {
      await source.resolve(platform);
      return formatReference(candidate);
    } catch (error) {
      world.signal.throwIfAborted();
      if (!(error instanceof KeelsonError)) throw error;
      reasons.push(`\n${formatReference(candidate)}: ${error.message}`);
    } finally {
      await source.close();
    }
  }
  throw new KeelsonError("E_REFERENCE", `no registry that is searched gives ${request.image}${reasons.join("")}`, {
    hint: "Write the name with its registry, HOST/REPOSITORY:TAG.",
  });
}

function ambiguous(image: string, candidates: readonly RegistryReference[]): KeelsonError {
  const list = candidates.map((candidate) => `\n${formatReference(candidate)}`).join("");
  return new KeelsonError("E_REFERENCE", `${image} may be any of these:${list}`, {
    hint: "Write one of them, or give the name an alias in /etc/containers/registries.conf.d/.",
  });
}
