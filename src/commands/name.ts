import { KeelsonError } from "../errors.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { formatReference, parseName, type RegistryReference, type ShortName, unqualified } from "../image/reference.ts";
import { candidatesOf } from "../image/registries.ts";
import type { World } from "../world.ts";

/** An image as a person called it, and how it is to be had. */
export interface NameRequest {
  readonly image: string;
  readonly platform?: string | undefined;
  readonly tlsVerify: boolean;
}

/** What a person called an image, with its registry. */
export interface NamedImage {
  readonly image: string;
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
