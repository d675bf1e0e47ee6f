import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { isObject } from "../image/json.ts";
import type { HttpResponse } from "./http.ts";

const failureLimit = 1024 * 1024;
const messageLimit = 400;

/** What a request is about, as messages call it. */
export interface Named {
  /** The registry as written in the reference. */
  readonly host: string;
  readonly repository: string;
}

/** The whole body; undefined, and the rest discarded, when it is longer than `limit` bytes. */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response.body) {
    size += piece.length;
    if (size > limit) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** E_AUTH or E_REGISTRY for an answer that is not the one asked for, with the registry's own words. Reads the body. */
export async function answerFailure(
  response: HttpResponse,
  named: Named,
  redact: (text: string) => string,
): Promise<KeelsonError> {
  const { status } = response;
  const body = await readBody(response, failureLimit).catch(() => undefined);
  const said = printable(redact(ownWords(body?.toString("utf8") ?? "", response))).slice(0, messageLimit);
  const from = response.url.host === named.host ? "" : ` from ${printable(response.url.host)}`;
  const message = `${placeOf(named)}: status ${status}${from}${said === "" ? "" : `: ${said}`}`;
  return new KeelsonError(status === 401 || status === 403 ? "E_AUTH" : "E_REGISTRY", message, {
    hint: hintFor(status),
  });
}

/** E_REGISTRY for a request that got no answer. */
export function connectionFailure(error: unknown, named: Named): KeelsonError {
  const errno = errnoOf(error) ?? "";
  const said = error instanceof Error ? error.message || errno : String(error);
  // Node adds advice on how it is to be called.
  const why = printable(said.replace(/; if the root CA .*$/, ""));
  return new KeelsonError("E_REGISTRY", `${placeOf(named)}: ${why}`, {
    hint: connectionHint(errno),
    cause: error,
  });
}

/** A login is about no repository. */
function placeOf({ host, repository }: Named): string {
  return repository === "" ? host : `${host}, repository ${repository}`;
}

function ownWords(text: string, response: HttpResponse): string {
  const type = response.headers["content-type"] ?? "";
  if (/html/i.test(type) || /^\s*</.test(text)) return "it answered with a web page";
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return text.trim().split("\n")[0] ?? "";
  }
  if (!isObject(document)) return "";
  const errors: readonly unknown[] = Array.isArray(document.errors) ? document.errors : [document];
  return errors
    .map(oneError)
    .filter((part) => part !== "")
    .join("; ");
}

function oneError(error: unknown): string {
  if (!isObject(error)) return "";
  const parts = [error.code, error.message ?? error.details ?? error.error];
  return parts.filter((part) => typeof part === "string" && part !== "").join(": ");
}

function hintFor(status: number): string {
  if (status === 401 || status === 403) {
    return "The repository is private or does not exist; check its name, and log in to the registry so that auth.json knows it.";
  }
  if (status === 405) return "The registry is set up not to allow this; ask its operator.";
  if (status === 404) return "Check the repository's name and the tag or digest.";
  if (status === 429) return "The registry limits how much is asked of it; try again later, or log in to it.";
  return status >= 500 ? "The registry has a fault; try again later." : "Check that the host is a container registry.";
}

function connectionHint(errno: string): string {
  if (errno === "ENOTFOUND" || errno === "EAI_AGAIN")
    return "Check the registry's host name and this machine's name service.";
  if (errno === "ERR_PROXY_TUNNEL")
    return "Check the proxy that HTTPS_PROXY names, and whether the host belongs into NO_PROXY.";
  if (errno === "EPROTO" || errno.startsWith("ERR_SSL")) {
    return "If the registry speaks plain HTTP only, allow that with --tls-verify=false.";
  }
  if (/CERT|ISSUER|LEAF_SIGNATURE|ALTNAME/.test(errno)) {
    return "Install the registry's certificate authority on this machine, or give --tls-verify=false for a registry you trust anyway.";
  }
  return "Check that the registry runs and can be reached from this machine; keelson goes to port 443 unless the reference names one.";
}
