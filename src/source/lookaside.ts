import { readFile } from "node:fs/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import { type ImageSignature, parseSignatureFile } from "../trust/signature.ts";
import { type FileSet, unreadable } from "./file-set.ts";
import { openHttp } from "./http.ts";
import type { SourceOptions } from "./options.ts";
import type { Lookaside } from "./registries-d.ts";
import { readBody } from "./registry-answer.ts";
import { sendPatiently } from "./retry.ts";

const countLimit = 128;
const sizeLimit = 4 * 1024 * 1024;

/**
 * The signatures of an image that lie where registries.d says, `signature-1` and on until one is missing. `repository`
 * is without its host. Throws E_REGISTRY for a place that fails, E_POLICY for a file that is no signature.
 * https://github.com/containers/image/blob/main/docs/signature-protocols.md
 */
export async function readLookaside(
  lookaside: Lookaside,
  repository: string,
  digest: Digest,
  options: SourceOptions,
): Promise<readonly ImageSignature[]> {
  const below = `${repository}@sha256=${hexOf(digest)}`;
  if (lookaside.kind === "directory") {
    const directory = `${lookaside.path}/${below}`;
    return readAll(directory, (name) => readPlainFile(`${directory}/${name}`));
  }
  const directory = `${lookaside.url}/${below}`;
  const http = openHttp(new URL(directory).host, options);
  try {
    return await readAll(directory, async (name) => {
      const target = new URL(`${directory}/${name}`);
      return sendPatiently(http, { url: target, headers: {}, authorization: undefined }, options, async (response) => {
        if (response.status === 200) return readBody(response, sizeLimit);
        response.discard();
        if (response.status === 404) return undefined;
        throw unavailable(target.href, `status ${response.status}`);
      });
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof KeelsonError || errnoOf(error) === undefined) throw error;
    throw unavailable(directory, error instanceof Error ? error.message : "", error);
  } finally {
    http.close();
  }
}

/**
 * The signatures in a directory of the transport dir:, `signature-N` with a prefix before it. Throws E_POLICY for a file
 * that is none.
 */
export function readDirectorySignatures(files: FileSet, prefix: string): Promise<readonly ImageSignature[]> {
  return readAll(files.name, async (name) => {
    const file = await files.open(`${prefix}${name}`);
    if (file === undefined) return undefined;
    if (file.size > sizeLimit) throw unreadable(files.name, `${name} is larger than ${sizeLimit} bytes`);
    const pieces: Buffer[] = [];
    for await (const piece of file.read()) pieces.push(piece);
    return Buffer.concat(pieces);
  });
}

async function readAll(
  place: string,
  read: (name: string) => Promise<Buffer | undefined>,
): Promise<readonly ImageSignature[]> {
  const found: ImageSignature[] = [];
  for (let number = 1; number <= countLimit; number++) {
    const name = `signature-${number}`;
    const bytes = await read(name);
    if (bytes === undefined) return found;
    const signature = parsedSignature(bytes, `${place}/${name}`);
    if (signature !== undefined) found.push(signature);
  }
  throw unavailable(place, `it has more than ${countLimit} signatures of one image`);
}

/** A signature as skopeo keeps it; undefined for another attachment. Throws E_POLICY for what is none. */
export function parsedSignature(bytes: Buffer, name: string): ImageSignature | undefined {
  try {
    return parseSignatureFile(bytes);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new KeelsonError("E_POLICY", `${printable(name)} is not a signature: ${printable(error.message)}`, {
      hint: "Remove it, or sign the image again.",
    });
  }
}

async function readPlainFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw unavailable(path, `it cannot be read (${errnoOf(error)})`, error);
  }
}

function unavailable(place: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_REGISTRY", `signatures at ${printable(place)}: ${printable(why)}`, {
    hint: "registries.d says where signatures are; the policy wants one, so nothing goes on without them.",
    cause,
  });
}
