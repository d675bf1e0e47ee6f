import { errnoOf, KeelsonError } from "../errors.ts";
import { openAuth } from "./auth.ts";
import { type Http, type HttpRequest, type HttpResponse, type Method, openHttp } from "./http.ts";
import type { SourceOptions } from "./options.ts";
import { redirectTarget } from "./redirect.ts";
import { answerFailure, connectionFailure, type Named } from "./registry-answer.ts";
import { sendPatiently } from "./retry.ts";

/** What is asked of a repository. */
export interface RepositoryRequest {
  readonly method?: Method;
  /** Below the repository; from `/v2/` on, below the registry; or a URL that the registry gave. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** False for what must not be sent twice unseen: a failure is the caller's to look into. */
  readonly patient?: boolean;
}

/** One repository of a registry, asked over HTTP with whatever authentication it wants. */
export interface Repository {
  /** GET of `path`: see send. */
  get<T>(path: string, headers: Readonly<Record<string, string>>, use: Use<T>): Promise<T>;
  /**
   * Sends a request, again while the registry is busy or the connection breaks, `use` included. A 401 is answered once.
   * Throws E_REGISTRY, E_AUTH, and what `use` throws.
   */
  send<T>(request: RepositoryRequest, use: Use<T>): Promise<T>;
  /** The error for an answer that `use` cannot take. */
  failure(response: HttpResponse): Promise<KeelsonError>;
  close(): void;
}

/**
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md; nothing is sent before the first request.
 * `actions` is what a token is asked for where the registry does not say it.
 */
export function openRepository(named: Named, options: SourceOptions, actions = "pull"): Repository {
  const http = openHttp(named.host, options);
  let found: URL | undefined;
  let finding: Promise<URL> | undefined;
  const auth = openAuth(named, () => found ?? secureOrigin(named), http, options, actions);
  const origin = async (): Promise<URL> => {
    finding ??= findOrigin(named, http, options);
    found = await finding;
    return found;
  };
  const failure = (response: HttpResponse): Promise<KeelsonError> => answerFailure(response, named, auth.redact);
  const attempt = async <T>(request: HttpRequest, own: boolean, patient: boolean, use: Use<T>): Promise<T> => {
    const { url } = request;
    for (let answered = false; ; answered = true) {
      const authorization = own ? auth.header() : undefined;
      const answer = async (response: HttpResponse): Promise<Answered<T>> => {
        const challenge = response.headers["www-authenticate"];
        // A storage host behind a redirect has no say in who keelson is to the registry.
        const asked = own && response.status === 401 && response.url.origin === url.origin && challenge !== undefined;
        if (asked && !answered) return { challenge, refusal: await failure(response) };
        return { value: await use(response) };
      };
      const sent = { ...request, authorization };
      const outcome = await (patient ? sendPatiently(http, sent, options, answer) : http.send(sent).then(answer));
      if ("value" in outcome) return outcome.value;
      if (!(await auth.answer(outcome.challenge, authorization))) throw outcome.refusal;
    }
  };
  const send: Repository["send"] = async ({ path, headers = {}, method = "GET", body, patient = true }, use) => {
    const registry = await origin().catch((error) => raise(error));
    const base = new URL(`/v2/${named.repository}/`, registry);
    const url = path.includes("://") ? redirectTarget(base, path) : new URL(path, base);
    const request = { url, headers, method, authorization: undefined, ...(body && { body }) };
    return attempt(request, url.origin === base.origin, patient, use).catch((error) => raise(error));
  };
  const raise = (error: unknown): never => {
    options.signal?.throwIfAborted();
    if (error instanceof KeelsonError || errnoOf(error) === undefined) throw error;
    throw connectionFailure(error, named);
  };
  return { failure, send, get: (path, headers, use) => send({ path, headers }, use), close: () => http.close() };
}

type Use<T> = (response: HttpResponse) => Promise<T>;
type Answered<T> = { readonly value: T } | { readonly challenge: string; readonly refusal: KeelsonError };

/** HTTPS, or plain HTTP where that is allowed and HTTPS does not answer. */
async function findOrigin(named: Named, http: Http, options: SourceOptions): Promise<URL> {
  const secure = secureOrigin(named);
  if (options.tlsVerify) return secure;
  try {
    (await http.send({ url: new URL("/v2/", secure), headers: {}, authorization: undefined })).discard();
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
