import { errnoOf, KeelsonError, printable } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import { type BlobPart, type Download, downloaded } from "./download.ts";
import type { HttpResponse } from "./http.ts";
import { type SourceOptions, standardTiming } from "./options.ts";
import type { Repository } from "./repository.ts";
import { pause, waitAfter } from "./retry.ts";
import { mismatch } from "./verify.ts";

/** A repository, and how it is spoken to. */
export interface RegistryPlace {
  readonly name: string;
  readonly repository: Repository;
  readonly options: SourceOptions;
}

/** The bytes of a blob, across dropped connections. */
export async function openBlob(blob: Descriptor, context: RegistryPlace): Promise<AsyncIterable<Uint8Array>> {
  const download = downloadOf(blob, 0, blob.size, context);
  return downloaded(download, await download.open(0));
}

/** The same of some of its bytes; undefined when the registry gives the whole instead. */
export async function openRange(
  blob: Descriptor,
  from: number,
  to: number,
  context: RegistryPlace,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const download = downloadOf(blob, from, to, context);
  const first = await download.open(from);
  return first.start === from ? downloaded(download, first) : void first.discard();
}

type Part = BlobPart & Pick<HttpResponse, "discard">;

interface BlobDownload extends Download {
  open(offset: number): Promise<Part>;
}

function downloadOf(blob: Descriptor, from: number, to: number, context: RegistryPlace): BlobDownload {
  const { repository, name, options } = context;
  let etag: string | undefined;
  const request = (offset: number, end: number): Promise<Part | undefined> => {
    const range = { range: `bytes=${offset}-${end < blob.size ? end - 1 : ""}` };
    const headers = { ...range, ...(etag?.startsWith('"') && { "if-range": etag }) };
    const all = offset === 0 && end === blob.size;
    return repository.get(`blobs/${blob.digest}`, all ? {} : headers, async (response) => {
      const part = partOf(response, { from: offset, to: end }, blob, name);
      if (part === "failed") throw await repository.failure(response);
      if (part === undefined) response.discard();
      etag = response.headers.etag;
      return part && { ...part, discard: response.discard };
    });
  };
  const open = async (offset: number): Promise<Part> => {
    const part = (await request(offset, to)) ?? (await request(0, blob.size));
    if (part !== undefined) return part;
    throw wrongRange(name);
  };
  const isDrop = (error: unknown): boolean => {
    options.signal?.throwIfAborted();
    return !(error instanceof KeelsonError) && errnoOf(error) !== undefined;
  };
  const { patience } = options.timing ?? standardTiming;
  const wait = (drops: number): Promise<void> => pause(waitAfter(drops, undefined, options), options);
  return { blob, from, to, name, open, isDrop, pause: wait, patience };
}

/** The part that an answer to a request for these bytes holds; undefined when the range was not understood. */
function partOf(
  response: HttpResponse,
  { from, to }: { readonly from: number; readonly to: number },
  blob: Descriptor,
  name: string,
): BlobPart | "failed" | undefined {
  const { status, headers, body } = response;
  checkEncoding(response, name);
  if (status === 200) {
    const length = headers["content-length"];
    if (length === undefined || Number(length) === blob.size) return { start: 0, body };
    response.discard();
    throw mismatch(name, `the registry offers ${Number(length)} bytes for ${blob.digest}, described with ${blob.size}`);
  }
  const partial = from > 0 || to < blob.size;
  if (status === 416 && partial) return undefined;
  if (status !== 206) return "failed";
  const range = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+|\*)$/.exec(headers["content-range"] ?? "");
  const fits = Number(range?.[1]) === from && Number(range?.[2]) === to - 1;
  const total = range?.[3] === "*" || Number(range?.[3]) === blob.size;
  return fits && total && partial ? { start: from, body } : undefined;
}

/** Throws E_REGISTRY for an answer that is not what was asked for, but compressed. */
export function checkEncoding(response: HttpResponse, name: string): void {
  const encoding = response.headers["content-encoding"] ?? "identity";
  if (response.status >= 300 || encoding === "identity") return;
  response.discard();
  throw new KeelsonError("E_REGISTRY", `${name}: the registry sends it encoded as ${printable(encoding)}, unasked`, {
    hint: "A proxy before the registry may do that; ask its operator to leave images alone.",
  });
}

function wrongRange(name: string): KeelsonError {
  return new KeelsonError("E_REGISTRY", `${name}: the registry answers with a part that was not asked for`, {
    hint: "Ask the registry's operator; a proxy before it may be at fault.",
  });
}
