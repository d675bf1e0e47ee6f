import { KeelsonError, printable } from "../errors.ts";
import { isObject } from "../image/json.ts";
import { parseChallenge } from "./challenge.ts";
import type { Credentials } from "./credential-helper.ts";
import { findCredentials } from "./credentials.ts";
import type { Http, HttpRequest, HttpResponse } from "./http.ts";
import type { SourceOptions } from "./options.ts";
import { answerFailure, type Named, readBody } from "./registry-answer.ts";
import { sendPatiently } from "./retry.ts";

const tokenLimit = 1024 * 1024;

/** Who keelson is for one repository of a registry. */
export interface Auth {
  /** The Authorization header for the next request; undefined until the registry asks. */
  header(): string | undefined;
  /**
   * Takes up the WWW-Authenticate header of a 401 to a request that was sent with the header `rejected`. False when
   * there is nothing new to try. Throws E_AUTH, E_REGISTRY, and system errors of the token server.
   */
  answer(challenge: string, rejected: string | undefined): Promise<boolean>;
  /** `text` without any credential in it. */
  redact(text: string): string;
}

/**
 * `origin` is the registry's own; `actions` what is to be done in the repository.
 * https://distribution.github.io/distribution/spec/auth/token/
 */
export function openAuth(named: Named, origin: () => URL, http: Http, options: SourceOptions, actions: string): Auth {
  let header: string | undefined;
  let renewal: Promise<string | undefined> | undefined;
  const secrets = new Set<string>();
  const redact = (text: string): string => [...secrets].reduce((left, secret) => left.replaceAll(secret, "***"), text);
  const find = async (host: string, repository: string): Promise<Credentials | undefined> => {
    const helpers = (await options.registries?.())?.credentialHelpers;
    const running = options.helperEnvironment && { environment: options.helperEnvironment, signal: options.signal };
    const given = host === named.host ? options.credentials : undefined;
    const found = given ?? (await findCredentials({ files: options.authFiles, helpers, running }, host, repository));
    const held = found ? [found.password, basicOf(found), found.identityToken ?? ""] : [];
    for (const secret of held) if (secret !== "") secrets.add(secret);
    return found;
  };
  const renew = async (challenge: string): Promise<string | undefined> => {
    const { scheme, parameters } = parseChallenge(challenge);
    const credentials = await find(named.host, named.repository);
    if (scheme === "basic") {
      return credentials && credentials.identityToken === undefined ? `Basic ${basicOf(credentials)}` : undefined;
    }
    if (scheme !== "bearer") return undefined;
    const realm = realmOf(parameters.get("realm") ?? "", origin(), named);
    const trusted = isSameSite(realm.hostname, origin().hostname) ? credentials : await find(realm.host, "");
    const request = tokenRequest(tokenUrl(realm, parameters, named.repository, actions), trusted);
    const use = (response: HttpResponse): Promise<string> => readToken(response, named, redact);
    const token = await sendPatiently(http, request, options, use);
    secrets.add(token);
    return `Bearer ${token}`;
  };
  return {
    header: () => header,
    redact,
    answer: async (challenge, rejected) => {
      // Several streams may be refused at once: one of them asks for all.
      if (header !== rejected) return true;
      renewal ??= renew(challenge).finally(() => {
        renewal = undefined;
      });
      const renewed = await renewal;
      if (renewed === undefined || renewed === rejected) return false;
      header = renewed;
      return true;
    },
  };
}

/**
 * Whether a token server at `realm` may be given the credentials of the registry at `registry` (host names without port):
 * the same host, one below the other, or two of one parent domain.
 */
export function isSameSite(realm: string, registry: string): boolean {
  if (realm === registry) return true;
  if (/^[0-9.]+$|:/.test(realm) || /^[0-9.]+$|:/.test(registry)) return false;
  const site = siteOf(registry);
  return site !== undefined && (realm === site || realm.endsWith(`.${site}`));
}

/** The last two labels of a host name, three where two are only a country's suffix such as co.uk. */
function siteOf(host: string): string | undefined {
  const labels = host.split(".");
  const [second = "", top = ""] = labels.slice(-2);
  const length = top.length === 2 && second.length <= 3 ? 3 : 2;
  return labels.length < length ? undefined : labels.slice(-length).join(".");
}

function realmOf(text: string, origin: URL, named: Named): URL {
  const realm = URL.parse(text);
  if (realm === null || (realm.protocol !== "https:" && realm.protocol !== "http:")) {
    throw refusedRealm(named, "it names no token server");
  }
  if (origin.protocol === "https:" && realm.protocol !== "https:") {
    throw refusedRealm(named, `it wants a token fetched over plain HTTP from ${realm.host}`);
  }
  return realm;
}

function tokenUrl(realm: URL, parameters: ReadonlyMap<string, string>, repository: string, actions: string): URL {
  const url = new URL(realm);
  url.username = "";
  url.password = "";
  const service = parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  const scope = parameters.get("scope") ?? (repository === "" ? undefined : `repository:${repository}:${actions}`);
  // A challenge separates several scopes by spaces; a token server takes them one by one.
  for (const one of scope?.split(" ") ?? []) url.searchParams.append("scope", one);
  return url;
}

/** https://distribution.github.io/distribution/spec/auth/oauth/ for who has an identity token. */
function tokenRequest(url: URL, credentials: Credentials | undefined): HttpRequest {
  const headers = { accept: "application/json" };
  const { identityToken } = credentials ?? {};
  if (identityToken === undefined) {
    return { url, headers, authorization: credentials && `Basic ${basicOf(credentials)}` };
  }
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: identityToken,
    client_id: "keelson",
    service: url.searchParams.get("service") ?? "",
    scope: url.searchParams.getAll("scope").join(" "),
  });
  const target = new URL(url);
  for (const name of ["service", "scope"]) target.searchParams.delete(name);
  const typed = { ...headers, "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: target, headers: typed, body: Buffer.from(form.toString()), authorization: undefined };
}

async function readToken(response: HttpResponse, named: Named, redact: (text: string) => string): Promise<string> {
  if (response.status !== 200) throw await answerFailure(response, named, redact);
  const bytes = await readBody(response, tokenLimit);
  let document: unknown;
  try {
    document = JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    // Whatever it is, it may hold a credential: nothing of it is repeated.
  }
  const token = isObject(document) ? (document.token ?? document.access_token) : undefined;
  if (typeof token === "string" && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new KeelsonError(
    "E_REGISTRY",
    `${printable(response.url.host)}, the token server of ${named.host}, gave no token`,
    {
      hint: "Try again later; if it stays so, ask the registry's operator.",
    },
  );
}

function basicOf(credentials: Credentials): string {
  return Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
}

function refusedRealm(named: Named, why: string): KeelsonError {
  return new KeelsonError("E_AUTH", `${named.host} cannot be authenticated to: ${printable(why)}`, {
    hint: "The registry is set up wrongly, or somebody stands between; ask its operator.",
  });
}
