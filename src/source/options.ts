import type { Digest } from "../image/digest.ts";
import { type DocumentLimits, standardLimits } from "../image/limits.ts";
import type { StoreReference } from "../image/reference.ts";
import type { Registries } from "../image/registries.ts";
import type { Credentials } from "./credential-helper.ts";
import type { Proxies } from "./proxy.ts";
import type { StoragePlaces } from "./storage-conf.ts";

/** How sources behave, whatever reference they are opened for. */
export interface SourceOptions {
  /** False: a registry's certificate is not checked, and plain HTTP is used where HTTPS does not answer. */
  readonly tlsVerify: boolean;
  /** Paths of `auth.json` or `config.json` files, the first that knows the registry wins; files that are absent are skipped. */
  readonly authFiles: readonly string[];
  /** What credential helpers get of the environment, PATH among it; without it none is run. */
  readonly helperEnvironment?: NodeJS.ProcessEnv | undefined;
  /** Asked instead of those files for the registry a source is opened for. */
  readonly credentials?: Credentials | undefined;
  /** An existing directory for what cannot be streamed (a compressed archive); nothing is left in it. */
  readonly cacheDirectory: string;
  readonly userAgent: string;
  /** keelson's own store, for references to what is in it. */
  readonly store?: OwnStore | undefined;
  /** Where storage.conf is looked for. */
  readonly hostFiles: StoragePlaces;
  /** Where the Docker daemon listens: `unix:///PATH`. */
  readonly dockerHost: string;
  /** PEM certificates trusted besides those of Node and of the system. */
  readonly ca?: readonly string[] | undefined;
  /** Directories with one of `HOST[:PORT]` for each registry: see readCertificates. */
  readonly certificates?: readonly string[] | undefined;
  /** A directory of certificates for the registry a source is opened for, instead of those. */
  readonly certificateDirectory?: string | undefined;
  readonly proxies?: Proxies | undefined;
  /** What registries.conf says; absent where there is none. */
  readonly registries?: (() => Promise<Registries>) | undefined;
  /** Ends every request and stream with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly timing?: Timing | undefined;
  /** How large documents of images may be. */
  readonly limits?: DocumentLimits | undefined;
  /** How often a request is sent that meets a passing failure, the first time included. */
  readonly tries?: number | undefined;
  /** How many redirects in a row are followed. */
  readonly redirects?: number | undefined;
}

/** How large documents may be: as the options say, or as is usual. */
export function limitsOf({ limits = standardLimits }: SourceOptions): DocumentLimits {
  return limits;
}

export const standardTries = 5;
export const standardRedirects = 5;

/** Times in milliseconds. */
export interface Timing {
  /** Until a connection stands, TLS included. */
  readonly connect: number;
  /** From there until a response's headers are complete. */
  readonly headers: number;
  /** The longest silence inside a response's body. */
  readonly idle: number;
  /** The wait before the second try; it doubles with each further one. */
  readonly backoff: number;
  /** The longest wait that a Retry-After may ask for. */
  readonly longestWait: number;
  /** From the first failure of a request, or the last progress of a download, until it is not tried again. */
  readonly patience: number;
}

export const standardTiming: Timing = {
  connect: 10_000,
  headers: 30_000,
  idle: 60_000,
  backoff: 1_000,
  longestWait: 60_000,
  patience: 180_000,
};

/** What keelson's own store can tell of its images. */
export interface OwnStore {
  /** The documents of an image; undefined when there is none of that name, digest or id. Throws E_STORE. */
  find(reference: StoreReference): { readonly manifestBytes: Uint8Array; readonly configBytes: Uint8Array } | undefined;
  /** What its images are called. */
  names(): readonly string[];
  /** A tar of what the last of these layers changes, lowest first, which is not the one that it came in. */
  readTar(diffIds: readonly Digest[]): AsyncIterable<Uint8Array>;
}
