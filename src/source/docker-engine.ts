import type { IncomingMessage, RequestOptions } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { isObject } from "../image/json.ts";
import { listed } from "./listed.ts";
import { http } from "./node-http.ts";

const answerLimit = 4 * 1024 * 1024;

/** A Docker daemon, spoken to over its Unix socket by the Engine API: https://docs.docker.com/reference/api/engine/ */
export interface DockerEngine {
  /** How messages call it. */
  readonly name: string;
  /** The archive that `docker save IMAGE` writes. Throws E_SOURCE, with what there is when it is no such image. */
  save(image: string): Promise<AsyncIterable<Uint8Array>>;
  /** Takes an archive of `size` bytes as `docker load` does. Throws E_SOURCE with the daemon's own words. */
  load(archive: AsyncIterable<Uint8Array>, size: number): Promise<void>;
}

/** `host` is what DOCKER_HOST says. No connection is made yet. Throws E_SETTINGS for what is no Unix socket. */
export function openDockerEngine(host: string, signal?: AbortSignal): DockerEngine {
  const socketPath = /^(?:unix:\/\/)?(\/.+)$/.exec(host)?.[1];
  if (socketPath === undefined) {
    throw new KeelsonError("E_SETTINGS", `DOCKER_HOST is ${printable(host)}, and not a Unix socket`, {
      hint: "keelson speaks to a Docker daemon of this machine alone: write unix:///PATH, or leave it out.",
    });
  }
  const name = `the Docker daemon at ${socketPath}`;
  const ask = async (options: RequestOptions, body?: AsyncIterable<Uint8Array>): Promise<IncomingMessage> => {
    try {
      // No version before the path: a daemon serves its newest, and new ones refuse old versions.
      return await send({ socketPath, ...options, ...(signal && { signal }) }, body);
    } catch (error) {
      signal?.throwIfAborted();
      throw errnoOf(error) === undefined ? error : unreachable(name, error);
    }
  };
  return {
    name,
    save: async (image) => {
      const response = await ask({ path: `/images/get?names=${encodeURIComponent(image)}` });
      if (response.statusCode === 200) return untilEnd(response, name, signal);
      const why = await failureOf(response);
      if (response.statusCode !== 404) throw failed(name, why);
      throw failed(name, `${image}: ${why}; there are ${await listImages(ask)}`);
    },
    load: async (archive, size) => {
      const headers = { "Content-Type": "application/x-tar", "Content-Length": size };
      const response = await ask({ method: "POST", path: "/images/load?quiet=1", headers }, archive);
      if (response.statusCode !== 200) throw failed(name, await failureOf(response));
      const refusal = loadFailure((await readAnswer(response)).toString("utf8"));
      if (refusal !== undefined) throw failed(name, refusal);
    },
  };
}

/** The answer to a request whose body has been sent whole, or refused on the way. */
async function send(options: RequestOptions, body?: AsyncIterable<Uint8Array>): Promise<IncomingMessage> {
  const message = http.request(options);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    message.once("response", resolve).once("error", reject);
  });
  answered.catch(() => undefined);
  if (body === undefined) message.end();
  // A daemon that answers before all is sent has had enough; its answer says why.
  else await Promise.race([pipeline(Readable.from(body), message), answered]);
  return answered;
}

async function* untilEnd(
  response: IncomingMessage,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of response) yield piece;
  } catch (error) {
    signal?.throwIfAborted();
    throw errnoOf(error) === undefined ? error : failed(name, "it broke off while it saved the image", error);
  }
}

async function readAnswer(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response) {
    size += piece.length;
    if (size > answerLimit) break;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function failureOf(response: IncomingMessage): Promise<string> {
  const text = (await readAnswer(response)).toString("utf8");
  const said = parsed(text);
  const words = isObject(said) && typeof said.message === "string" ? said.message : text.slice(0, 400);
  return `status ${response.statusCode}${words === "" ? "" : `: ${words.trim()}`}`;
}

/** The error among the lines of JSON that an archive is taken with; the status is 200 before it can fail. */
function loadFailure(text: string): string | undefined {
  const errors = text.split("\n").map((line) => {
    const row = parsed(line);
    return isObject(row) && typeof row.error === "string" ? row.error : undefined;
  });
  return errors.find((error) => error !== undefined);
}

async function listImages(ask: (options: RequestOptions) => Promise<IncomingMessage>): Promise<string> {
  const rows = parsed((await readAnswer(await ask({ path: "/images/json" }))).toString("utf8"));
  const names = (Array.isArray(rows) ? rows : []).flatMap((row: unknown) =>
    isObject(row) && Array.isArray(row.RepoTags) ? row.RepoTags.map(String) : [],
  );
  return listed(names);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(name: string, cause: unknown): KeelsonError {
  const errno = errnoOf(cause);
  const why = errno === "ENOENT" ? "there is no such socket" : `it cannot be reached (${errno})`;
  return new KeelsonError("E_SOURCE", `${name}: ${why}`, {
    hint: "Start it, or say where its socket is with DOCKER_HOST=unix:///PATH.",
    cause,
  });
}

function failed(name: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_SOURCE", `${name}: ${printable(why)}`, {
    hint: "docker images lists what it has; its own log says more.",
    cause,
  });
}
