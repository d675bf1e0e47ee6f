import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import { formatReference, type RegistryReference } from "../image/reference.ts";
import { type Endpoint, endpointsOf, noRegistries } from "../image/registries.ts";
import type { ImageSignature } from "../trust/signature.ts";
import type { SourceOptions } from "./options.ts";
import { openRegistry } from "./registry.ts";
import type { ImageSource } from "./source.ts";

interface Mirrored {
  readonly name: string;
  readonly source: ImageSource;
}

/**
 * An image of a registry, asked for where registries.conf says: the first endpoint that has it gives it. A layer that it
 * then lacks is asked of those behind it. Throws E_BLOCKED and E_SETTINGS, and when all endpoints fail, what each said.
 */
export function openMirrored(reference: RegistryReference, options: SourceOptions): ImageSource {
  let opened: Promise<readonly Mirrored[]> | undefined;
  let first = 0;
  const open = (): Promise<readonly Mirrored[]> => {
    opened ??= endpoints(reference, options).then((found) => found.map((endpoint) => mirrored(endpoint, options)));
    return opened;
  };
  const attempt = async <T>(ask: (source: ImageSource) => Promise<T>): Promise<{ at: number; value: T }> => {
    const all = await open();
    const failures: { readonly name: string; readonly error: KeelsonError }[] = [];
    for (const [index, { name, source }] of all.slice(first).entries()) {
      try {
        return { at: first + index, value: await ask(source) };
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof KeelsonError) || error.code === "E_SETTINGS") throw error;
        failures.push({ name, error });
      }
    }
    throw allFailed(reference, failures);
  };
  return {
    resolve: async (platform, stored) => {
      const { at, value } = await attempt((source) => source.resolve(platform, stored));
      first = at;
      return value;
    },
    readTop: async () => {
      const { at, value } = await attempt((source) => source.readTop());
      first = at;
      return value;
    },
    readManifest: async (descriptor) => (await attempt((source) => source.readManifest(descriptor))).value,
    signatures: async (digest) => attachedTo(digest, (await open()).slice(first), options.signal),
    openBlob: async (layer) => (await attempt((source) => source.openBlob(layer))).value,
    openRange: async (layer, from, to) => (await attempt(async (source) => source.openRange?.(layer, from, to))).value,
    close: async () => {
      // What could not even be opened has nothing to close.
      const all = await opened?.catch(() => []);
      await Promise.all((all ?? []).map(({ source }) => source.close()));
    },
  };
}

/** A mirror may have an image without what is attached to it, or be away: then those behind it are asked. */
async function attachedTo(
  digest: Digest,
  places: readonly Mirrored[],
  signal: AbortSignal | undefined,
): Promise<readonly ImageSignature[]> {
  for (const [index, { source }] of places.entries()) {
    const last = index === places.length - 1;
    try {
      const found = (await source.signatures?.(digest)) ?? [];
      if (found.length > 0 || last) return found;
    } catch (error) {
      signal?.throwIfAborted();
      if (last || !(error instanceof KeelsonError)) throw error;
    }
  }
  return [];
}

async function endpoints(reference: RegistryReference, options: SourceOptions): Promise<readonly Endpoint[]> {
  return endpointsOf((await options.registries?.()) ?? noRegistries, reference);
}

function mirrored({ reference, insecure }: Endpoint, options: SourceOptions): Mirrored {
  const own = { ...options, tlsVerify: options.tlsVerify && !insecure };
  return { name: formatReference(reference), source: openRegistry(reference, own) };
}

function allFailed(
  reference: RegistryReference,
  failures: readonly { readonly name: string; readonly error: KeelsonError }[],
): KeelsonError {
  const last = failures.at(-1)?.error;
  if (last === undefined) throw new Error("no endpoint was asked");
  if (failures.length === 1) return last;
  const reasons = failures.map(({ name, error }) => `\n${name}: ${error.message}`);
  const message = `none of ${failures.length} places gives ${formatReference(reference)}${reasons.join("")}`;
  return new KeelsonError(last.code, message, { hint: last.hint, cause: last });
}
