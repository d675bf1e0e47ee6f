import { setImmediate } from "node:timers/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { WrittenManifest } from "../image/convert.ts";
import type { Digest } from "../image/digest.ts";
import { formatReference, type RegistryReference } from "../image/reference.ts";
import type { BlobName, ImageDestination } from "./destination.ts";
import type { HttpResponse } from "./http.ts";
import { type SourceOptions, standardTries } from "./options.ts";
import { namedOf } from "./registry.ts";
import { attachSignatures } from "./registry-signatures.ts";
import { openRepository, type Repository } from "./repository.ts";
import { pause, waitAfter } from "./retry.ts";

const chunkSize = 16 * 1024 * 1024;
/** What cancelling may take, in milliseconds. */
const cancelTime = 3_000;

/**
 * A tag of a registry. A blob goes in one request, or in parts of 16 MiB where it is larger; a part that breaks off goes on
 * where the registry says it stopped. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
 */
export function openRegistryDestination(reference: RegistryReference, options: SourceOptions): ImageDestination {
  const repository = openRepository(namedOf(reference), options, "pull,push");
  const sessions = new Map<Digest, string>();
  const hasBlob: ImageDestination["hasBlob"] = ({ digest }) => isThere(repository, `blobs/${digest}`);
  const putBlob: ImageDestination["putBlob"] = async (blob, content) => {
    const session = sessions.get(blob.digest) ?? (await beginUpload(repository, "")).session;
    const moved = (next: string): void => void sessions.set(blob.digest, next);
    moved(session);
    try {
      await upload(repository, session, blob, content, options, moved);
    } catch (error) {
      if (options.signal?.aborted || !(await hasBlob(blob).catch(() => false))) throw error;
    }
    sessions.delete(blob.digest);
  };
  return {
    takesIndex: true,
    hasBlob,
    mountBlob: async ({ digest }, from) => {
      if (!from.startsWith(`${reference.host}/`)) return false;
      const query = new URLSearchParams({ mount: digest, from: from.slice(reference.host.length + 1) });
      const { mounted, session } = await beginUpload(repository, `?${query}`);
      // What is not mounted is an upload that has begun.
      if (!mounted) sessions.set(digest, session);
      return mounted;
    },
    putBlob,
    putManifest: (manifest, as) => putManifest(repository, reference, manifest, as),
    putSignatures: (digest, _as, signatures) =>
      attachSignatures(repository, { hasBlob, putBlob }, digest, signatures, (manifest, tag) =>
        putManifest(
          repository,
          { kind: "registry", host: reference.host, repository: reference.repository, tag },
          manifest,
          "top",
        ),
      ),
    commit: async () => {},
    close: async () => {
      repository.close();
      if (sessions.size > 0) await cancel(reference, [...sessions.values()], options);
    },
  };
}

/**
 * Tells the registry that nothing more comes, also when it is an interruption that ends the copy. What it does not take, it
 * sweeps itself.
 */
async function cancel(reference: RegistryReference, sessions: readonly string[], given: SourceOptions): Promise<void> {
  const options = { ...given, signal: AbortSignal.timeout(cancelTime) };
  const repository = openRepository(namedOf(reference), options, "pull,push");
  const drop = (path: string): Promise<void> =>
    repository.send({ method: "DELETE", path, patient: false }, async (response) => response.discard());
  await Promise.allSettled(sessions.map(drop));
  repository.close();
}

async function isThere(repository: Repository, path: string): Promise<boolean> {
  return repository.send({ method: "HEAD", path }, async (response) => {
    if (response.status !== 200 && response.status !== 404) throw await repository.failure(response);
    response.discard();
    return response.status === 200;
  });
}

/** An upload, or nothing more to do where the query asked for a blob to be mounted. */
async function beginUpload(
  repository: Repository,
  query: string,
): Promise<{ readonly mounted: boolean; readonly session: string }> {
  return repository.send({ method: "POST", path: `blobs/uploads/${query}` }, async (response) => {
    if (response.status !== 201 && response.status !== 202) throw await repository.failure(response);
    response.discard();
    return { mounted: response.status === 201, session: response.status === 201 ? "" : sessionOf(response) };
  });
}

async function upload(
  repository: Repository,
  session: string,
  blob: BlobName,
  content: AsyncIterable<Uint8Array>,
  options: SourceOptions,
  moved: (session: string) => void,
): Promise<void> {
  let at = session;
  let offset = 0;
  let last: Buffer | undefined;
  for await (const chunk of chunked(content)) {
    if (last !== undefined) {
      at = await sendChunk(repository, at, offset, last, options);
      moved(at);
      offset += last.length;
    }
    last = chunk;
  }
  // The whole blob is read, and so checked, before the registry is told that it is complete.
  if (offset > 0) at = await sendChunk(repository, at, offset, last ?? Buffer.alloc(0), options);
  const body = offset > 0 ? Buffer.alloc(0) : (last ?? Buffer.alloc(0));
  const path = `${at}${at.includes("?") ? "&" : "?"}digest=${encodeURIComponent(blob.digest)}`;
  const headers = { "content-type": "application/octet-stream" };
  await repository.send({ method: "PUT", path, headers, body }, async (response) => {
    if (response.status !== 201) throw await repository.failure(response);
    response.discard();
  });
}

/** Sends one part; the upload's next place. After a failure the registry is asked how far it came. */
async function sendChunk(
  repository: Repository,
  session: string,
  offset: number,
  chunk: Buffer,
  options: SourceOptions,
): Promise<string> {
  let at = session;
  let done = 0;
  for (let attempt = 1; done < chunk.length; attempt++) {
    const body = chunk.subarray(done);
    const start = offset + done;
    const headers = {
      "content-type": "application/octet-stream",
      "content-range": `${start}-${start + body.length - 1}`,
    };
    let failure: unknown;
    try {
      const next = await repository.send(
        { method: "PATCH", path: at, headers, body, patient: false },
        async (response) => {
          if (response.status === 202 || response.status === 204) {
            response.discard();
            return sessionOf(response);
          }
          failure = await repository.failure(response);
          if (response.status !== 416 && response.status !== 429 && response.status < 500) throw failure;
          return undefined;
        },
      );
      if (next !== undefined) return next;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof KeelsonError) || error === failure || errnoOf(error.cause) === undefined) throw error;
      failure = error;
    }
    if (attempt === (options.tries ?? standardTries)) throw failure;
    await pause(waitAfter(attempt, undefined, options), options);
    const state = await uploadState(repository, at);
    at = state.session;
    done = state.length - offset;
    if (done < 0 || done > chunk.length) throw failure;
  }
  return at;
}

/** How many bytes of an upload the registry has. */
async function uploadState(
  repository: Repository,
  session: string,
): Promise<{ readonly session: string; readonly length: number }> {
  return repository.get(session, {}, async (response) => {
    if (response.status !== 204) throw await repository.failure(response);
    response.discard();
    const end = /^(?:bytes=)?0-([0-9]+)$/.exec(String(response.headers.range ?? ""))?.[1];
    // 0-0 is what registries say of nothing, too; a part never has one byte only.
    return { session: sessionOf(response), length: end === undefined || end === "0" ? 0 : Number(end) + 1 };
  });
}

async function putManifest(
  repository: Repository,
  reference: RegistryReference,
  manifest: WrittenManifest,
  as: "top" | "member",
): Promise<void> {
  const name = formatReference(reference);
  if (as === "top" && reference.digest !== undefined && reference.digest !== manifest.digest) {
    throw new KeelsonError("E_DIGEST", `what is copied to ${name} has the digest ${manifest.digest}`, {
      hint: "Name a tag instead of a digest.",
    });
  }
  const version = as === "top" ? (reference.tag ?? manifest.digest) : manifest.digest;
  const headers = { "content-type": manifest.mediaType };
  await repository.send(
    { method: "PUT", path: `manifests/${version}`, headers, body: manifest.bytes },
    async (response) => {
      if (response.status !== 201 && response.status !== 200) throw await repository.failure(response);
      response.discard();
      const claimed = response.headers["docker-content-digest"];
      if (typeof claimed !== "string" || !claimed.startsWith("sha256:") || claimed === manifest.digest) return;
      throw new KeelsonError(
        "E_DIGEST",
        `${name}: the registry keeps it as ${printable(claimed)}, not ${manifest.digest}`,
        {
          hint: "The registry changes what is pushed to it; ask its operator.",
        },
      );
    },
  );
}

function sessionOf(response: HttpResponse): string {
  const { location } = response.headers;
  if (location !== undefined) return new URL(location, response.url).href;
  throw new KeelsonError("E_REGISTRY", `${printable(response.url.host)} began an upload without saying where`, {
    hint: "Check that the host is a container registry.",
  });
}

/** The same bytes in parts of one size, the last one aside. */
async function* chunked(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    waiting.push(piece);
    size += piece.length;
    while (size >= chunkSize) {
      const whole = Buffer.concat(waiting);
      yield whole.subarray(0, chunkSize);
      waiting = [whole.subarray(chunkSize)];
      size -= chunkSize;
      await setImmediate();
    }
  }
  if (size > 0) yield Buffer.concat(waiting);
}
