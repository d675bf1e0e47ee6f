import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../errors.ts";
import type { Http, HttpRequest, HttpResponse } from "./http.ts";
import { type SourceOptions, standardTiming, standardTries } from "./options.ts";

const dropped = new Set(["ECONNRESET", "EPIPE", "EAI_AGAIN"]);
const unreached = new Set(["ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ECONNABORTED"]);

/**
 * Sends `request` until it is answered with neither 429 nor 5xx and `use` has read what it wants, as often and as
 * long as the options say. The last answer counts whatever its status. Throws the last system error, and what `use` throws.
 */
export async function sendPatiently<T>(
  http: Http,
  request: HttpRequest,
  options: SourceOptions,
  use: (response: HttpResponse) => Promise<T>,
): Promise<T> {
  const { patience } = options.timing ?? standardTiming;
  const { tries = standardTries } = options;
  let failed: number | undefined;
  const isLast = (attempt: number, wait: number): boolean => {
    failed ??= performance.now();
    return attempt === tries || performance.now() - failed + wait > patience;
  };
  for (let attempt = 1; ; attempt++) {
    let wait = waitAfter(attempt, undefined, options);
    try {
      const response = await http.send(request);
      if (!isBusy(response.status)) return await use(response);
      wait = waitAfter(attempt, response.headers["retry-after"], options);
      if (isLast(attempt, wait)) return await use(response);
      response.discard();
    } catch (error) {
      if (!isPassing(error, http, request.url) || isLast(attempt, wait)) throw error;
    }
    await pause(wait, options);
  }
}

/** Milliseconds to wait before the try that follows failure number `failures`, counted from 1. */
export function waitAfter(failures: number, retryAfter: string | undefined, options: SourceOptions): number {
  const { backoff, longestWait } = options.timing ?? standardTiming;
  // Clients that failed together should not come back together.
  const doubled = backoff * 2 ** (failures - 1) * (0.5 + Math.random());
  const asked = retryAfter === undefined ? undefined : askedDelay(retryAfter, Date.now());
  return Math.min(longestWait, asked ?? doubled);
}

/** Throws the reason when the options' signal is aborted meanwhile. */
export async function pause(time: number, options: SourceOptions): Promise<void> {
  try {
    await sleep(time, undefined, options.signal && { signal: options.signal });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** Milliseconds that a Retry-After asks for: seconds or a date. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
export function askedDelay(retryAfter: string, now: number): number | undefined {
  if (/^[0-9]+$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Whether `error` is one of the network, which a next try may not meet. */
function isNetworkError(error: unknown): boolean {
  const errno = errnoOf(error) ?? "";
  return dropped.has(errno) || unreached.has(errno);
}

function isPassing(error: unknown, http: Http, url: URL): boolean {
  return dropped.has(errnoOf(error) ?? "") || (isNetworkError(error) && http.hasAnswered(url));
}

function isBusy(status: number): boolean {
  return status === 429 || status >= 500;
}
