import type { RegistryReference } from "../image/reference.ts";
import { endpointsOf, noRegistries } from "../image/registries.ts";
import type { SourceOptions } from "./options.ts";

/** Where something is done to what a reference names, and how. */
export interface OwnEndpoint<Named> {
  readonly reference: Named;
  readonly options: SourceOptions;
}

/**
 * The place that registries.conf gives for a reference, behind its mirrors: those are only read from. Throws E_BLOCKED and
 * E_SETTINGS.
 */
export async function ownEndpoint(
  reference: RegistryReference,
  options: SourceOptions,
): Promise<OwnEndpoint<RegistryReference>> {
  const registries = (await options.registries?.()) ?? noRegistries;
  const own = endpointsOf(registries, reference).at(-1);
  if (own === undefined) throw new Error("a reference without a place");
  return { reference: own.reference, options: { ...options, tlsVerify: options.tlsVerify && !own.insecure } };
}
