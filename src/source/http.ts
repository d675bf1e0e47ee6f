import { once } from "node:events";
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import * as tls from "node:tls";
import { errnoOf } from "../errors.ts";
import { openAgents } from "./agents.ts";
import { http, https } from "./node-http.ts";
import { type SourceOptions, standardRedirects, standardTiming, type Timing } from "./options.ts";
import { redirectTarget, tooManyRedirects } from "./redirect.ts";

const discardLimit = 64 * 1024;
const bodyPieceSize = 256 * 1024;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);
const unknownIssuer = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

export type Method = "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";

export interface HttpRequest {
  /** GET unless another is named. Only GET and HEAD are sent on where a redirect points. */
  readonly method?: Method;
  /** Sent whole, with its length. */
  readonly body?: Uint8Array;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent to the URL's own origin only, never to where it redirects. */
  readonly authorization: string | undefined;
}

/** `url` is the last one of the redirects. Either the body is read to its end, or the response is discarded. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  readonly body: AsyncIterable<Buffer>;
  discard(): void;
}

/** Requests over kept connections. */
export interface Http {
  /** Any status is an answer. Throws system errors as they are, and E_REGISTRY for a redirect that is not followed. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Whether this origin has ever answered: then a connection it refuses now is a passing failure. */
  hasAnswered(url: URL): boolean;
  close(): void;
}

/** `host` is the registry's, as certs.d calls it. */
export function openHttp(host: string, options: SourceOptions): Http {
  const timing = options.timing ?? standardTiming;
  const agents = openAgents(host, options);
  let systemTrusted = false;
  const answered = new Set<string>();
  const exchange: Exchange = async (url, headers, { method = "GET", body }) => {
    const withSystem = systemTrusted;
    try {
      const agent = agents.of(url, withSystem);
      const response = await send(url, { agent, headers, method, body, signal: options.signal }, timing);
      answered.add(url.origin);
      return response;
    } catch (error) {
      if (withSystem || !unknownIssuer.has(errnoOf(error) ?? "")) throw error;
    }
    // The system's own certificates take a tenth of a second to read, so they are asked last.
    systemTrusted = true;
    return exchange(url, headers, { method, ...(body && { body }) });
  };
  return {
    send: (request) => follow(request, options, exchange),
    hasAnswered: (url) => answered.has(url.origin),
    close: () => agents.close(),
  };
}

type Exchange = (
  url: URL,
  headers: OutgoingHttpHeaders,
  request: Pick<HttpRequest, "method" | "body">,
) => Promise<IncomingMessage>;

async function follow(
  request: HttpRequest,
  { userAgent, timing = standardTiming, redirects = standardRedirects }: SourceOptions,
  exchange: Exchange,
): Promise<HttpResponse> {
  // An encoded body would have other bytes, and offsets into it would mean nothing.
  const headers = { "user-agent": userAgent, "accept-encoding": "identity", ...request.headers };
  const follows = request.method === undefined || request.method === "GET" || request.method === "HEAD";
  let { url, authorization } = request;
  for (let hops = 0; ; hops++) {
    const message = await exchange(url, authorization === undefined ? headers : { ...headers, authorization }, request);
    const status = message.statusCode ?? 0;
    const location = message.headers.location;
    if (!follows || !redirectStatuses.has(status) || location === undefined) {
      return { status, headers: message.headers, url, body: bodyOf(message, timing), discard: () => discard(message) };
    }
    discard(message);
    if (hops === redirects) throw tooManyRedirects(request.url, redirects);
    const target = redirectTarget(url, location);
    if (target.origin !== url.origin) authorization = undefined;
    url = target;
  }
}

interface Envelope {
  readonly method: Method;
  readonly body: Uint8Array | undefined;
  readonly agent: Agent;
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal | undefined;
}

async function send(url: URL, envelope: Envelope, timing: Timing): Promise<IncomingMessage> {
  const { agent, method, body, signal } = envelope;
  const length =
    body === undefined && (method === "GET" || method === "HEAD" || method === "DELETE")
      ? {}
      : { "content-length": body?.length ?? 0 };
  const request = (url.protocol === "https:" ? https : http).request(url, {
    agent,
    method,
    headers: { ...envelope.headers, ...length },
    ...(signal && { signal }),
  });
  let timer: NodeJS.Timeout | undefined;
  const allow = (time: number, what: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => request.destroy(timeout(`${what} within ${time / 1000} s`)), time);
  };
  try {
    return await new Promise<IncomingMessage>((resolve, reject) => {
      allow(timing.connect, "connect_timeout: no connection");
      request.once("socket", (socket) => {
        const connected = (): void => allow(timing.headers, "no answer");
        // One that went through a proxy is handed over when it stands.
        if (request.reusedSocket || !socket.connecting) connected();
        else socket.once(socket instanceof tls.TLSSocket ? "secureConnect" : "connect", connected);
      });
      request.once("response", resolve).on("error", reject);
      // A body takes the time its bytes take: the wait for an answer begins anew with each piece that was taken.
      sendBody(request, body ?? Buffer.alloc(0), () => allow(timing.headers, "no answer")).catch(reject);
    });
  } catch (error) {
    // A kept connection that the far side closed meanwhile: nothing was answered, so a new one may ask again.
    if (request.reusedSocket && errnoOf(error) === "ECONNRESET") return send(url, envelope, timing);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function sendBody(request: ClientRequest, body: Uint8Array, taken: () => void): Promise<void> {
  for (let at = 0; at < body.length; at += bodyPieceSize) {
    if (!request.write(body.subarray(at, at + bodyPieceSize))) {
      await once(request, "drain");
      taken();
    }
  }
  request.end();
}

async function* bodyOf(message: IncomingMessage, timing: Timing): AsyncGenerator<Buffer> {
  const pieces = message[Symbol.asyncIterator]();
  try {
    for (;;) {
      // Only the wait for the far side counts: a slow reader is not silence.
      const silent = (): void =>
        void message.destroy(timeout(`idle_timeout: nothing more within ${timing.idle / 1000} s`));
      const timer = setTimeout(silent, timing.idle);
      const { done, value } = await pieces.next().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    message.destroy();
  }
}

/** Reads a short body away, so that the connection serves again; gives up on a long one together with its connection. */
function discard(message: IncomingMessage): void {
  const length = Number(message.headers["content-length"] ?? Number.POSITIVE_INFINITY);
  if (length <= discardLimit) message.on("error", () => undefined).resume();
  else message.destroy();
}

function timeout(what: string): Error {
  return Object.assign(new Error(what), { code: "ETIMEDOUT" });
}
