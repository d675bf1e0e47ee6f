import { errnoOf, KeelsonError } from "../errors.ts";
import { openAuth } from "./auth.ts";
import { type Http, type HttpResponse, openHttp } from "./http.ts";
import type { SourceOptions } from "./options.ts";
import { answerFailure, connectionFailure, type Named } from "./registry-answer.ts";
import { getPatiently } from "./retry.ts";

/** One repository of a registry, asked over HTTP with whatever authentication it wants. */
export interface Repository {
  /**
   * GET of `path` below the repository, tried again while the registry is busy or the connection breaks, `use` included.
   * A 401 is answered once. Throws E_REGISTRY, E_AUTH, and what `use` throws.
   */
  get<T>(
    path: string,
    headers: Readonly<Record<string, string>>,
    use: (response: HttpResponse) => Promise<T>,
  ): Promise<T>;
  /** The error for an answer that `use` cannot take. */
  failure(response: HttpResponse): Promise<KeelsonError>;
  close(): void;
}

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md; nothing is sent before the first get. */
export function openRepository(named: Named, options: SourceOptions): Repository {
  const http = openHttp(named.host, options);
  let found: URL | undefined;
  let finding: Promise<URL> | undefined;
  const auth = openAuth(named, () => found ?? secureOrigin(named), http, options);
  const origin = async (): Promise<URL> => {
    finding ??= findOrigin(named, http, options);
    found = await finding;
    return found;
  };
  const failure = (response: HttpResponse): Promise<KeelsonError> => answerFailure(response, named, auth.redact);
  const attempt = async <T>(url: URL, headers: Readonly<Record<string, string>>, use: Use<T>): Promise<T> => {
    for (let answered = false; ; answered = true) {
      const authorization = auth.header();
      const outcome = await getPatiently(http, { url, headers, authorization }, options, async (response) => {
        const challenge = response.headers["www-authenticate"];
        // A storage host behind a redirect has no say in who keelson is to the registry.
        const asked = response.status === 401 && response.url.origin === url.origin && challenge !== undefined;
        if (asked && !answered) return { challenge, refusal: await failure(response) };
        return { value: await use(response) };
      });
      if ("value" in outcome) return outcome.value;
      if (!(await auth.answer(outcome.challenge, authorization))) throw outcome.refusal;
    }
  };
  return {
    failure,
    get: async (path, headers, use) => {
      try {
        return await attempt(new URL(`/v2/${named.repository}/${path}`, await origin()), headers, use);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (error instanceof KeelsonError || errnoOf(error) === undefined) throw error;
        throw connectionFailure(error, named);
      }
    },
    close: () => http.close(),
  };
}

type Use<T> = (response: HttpResponse) => Promise<T>;

/** HTTPS, or plain HTTP where that is allowed and HTTPS does not answer. */
async function findOrigin(named: Named, http: Http, options: SourceOptions): Promise<URL> {
  const secure = secureOrigin(named);
  if (options.tlsVerify) return secure;
  try {
    (await http.get({ url: new URL("/v2/", secure), headers: {}, authorization: undefined })).discard();
    return secure;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof KeelsonError || errnoOf(error) === undefined) throw error;
    return new URL(`http://${secure.host}`);
  }
}

function secureOrigin(named: Named): URL {
  const isHub = named.host === "docker.io" || named.host === "index.docker.io";
  return new URL(`https://${isHub ? "registry-1.docker.io" : named.host}`);
}
