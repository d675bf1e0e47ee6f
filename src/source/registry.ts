import { KeelsonError, printable } from "../errors.ts";
import { digestOf } from "../image/digest.ts";
import { beyondLimit } from "../image/limits.ts";
import { type Descriptor, indexTypes, manifestTypes } from "../image/manifest.ts";
import { formatReference, type RegistryReference } from "../image/reference.ts";
import { signaturesIn, signatureTag } from "./attachments.ts";
import type { HttpResponse } from "./http.ts";
import { limitsOf, type SourceOptions } from "./options.ts";
import { type Named, readBody } from "./registry-answer.ts";
import { checkEncoding, openBlob, openRange, type RegistryPlace } from "./registry-blob.ts";
import { openRepository } from "./repository.ts";
import { type Documents, imageOf } from "./resolution.ts";
import type { ImageSource, TopDocument } from "./source.ts";
import { checkBytes, mismatch } from "./verify.ts";

const manifestAccept = [...manifestTypes, ...indexTypes].join(", ");

/**
 * An image of a registry. A tag is looked up once, at the first resolve; all that follows is asked for by digest.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export function openRegistry(reference: RegistryReference, given: SourceOptions): ImageSource {
  const closed = new AbortController();
  // What is under way when the source is closed ends, and is not taken for a broken connection.
  const signal = AbortSignal.any([closed.signal, ...(given.signal === undefined ? [] : [given.signal])]);
  const options = { ...given, signal };
  const repository = openRepository(namedOf(reference), options);
  const context: RegistryPlace = { name: formatReference(reference), repository, options };
  let top: Promise<TopDocument> | undefined;
  const readTop = async (): Promise<TopDocument> => {
    top ??= fetchTop(reference, context);
    try {
      return await top;
    } catch (error) {
      top = undefined;
      throw error;
    }
  };
  const documents: Documents = {
    name: context.name,
    limits: limitsOf(context.options),
    readManifest: (descriptor) => fetchManifest(descriptor, context),
    readConfig: (descriptor) => fetchSmallBlob(descriptor, context),
  };
  return {
    resolve: async (platform, stored) => imageOf(await readTop(), documents, platform, stored),
    readTop,
    readManifest: documents.readManifest,
    openBlob: (layer) => openBlob(layer, context),
    openRange: (layer, from, to) => openRange(layer, from, to, context),
    signatures: async (digest) => {
      const manifest = await fetchAttachment(signatureTag(digest), context);
      return manifest === undefined
        ? []
        : signaturesIn(manifest, context.name, (blob) => fetchSmallBlob(blob, context));
    },
    close: async () => {
      closed.abort(new Error(`${context.name} was closed`));
      repository.close();
    },
  };
}

/** The repository as its registry knows it. */
export function namedOf(reference: Pick<RegistryReference, "host" | "repository">): Named {
  const isHub = reference.host === "docker.io" || reference.host === "index.docker.io";
  const official = isHub && !reference.repository.includes("/");
  return { host: reference.host, repository: official ? `library/${reference.repository}` : reference.repository };
}

async function fetchTop(reference: RegistryReference, context: RegistryPlace): Promise<TopDocument> {
  const { name } = context;
  const document = await fetchDocument(reference.digest ?? reference.tag ?? "latest", context);
  const actual = digestOf(document.bytes);
  if (reference.digest !== undefined && actual !== reference.digest) {
    throw mismatch(name, `what the registry gave has the digest ${actual}`);
  }
  const { claimed } = document;
  if (claimed?.startsWith("sha256:") && claimed !== actual) {
    throw mismatch(name, `the registry calls it ${claimed}, but gave ${actual}`);
  }
  return document;
}

async function fetchManifest(descriptor: Descriptor, context: RegistryPlace): Promise<Uint8Array> {
  const { bytes, mediaType } = await fetchDocument(descriptor.digest, context);
  checkBytes(bytes, descriptor, context.name);
  if (mediaType === undefined || mediaType === descriptor.mediaType) return bytes;
  throw new KeelsonError(
    "E_MANIFEST",
    `${context.name}: its index calls ${descriptor.digest} ${printable(descriptor.mediaType)}, the registry ${printable(mediaType)}`,
    {
      hint: "One document must not be read in two ways; push the image again.",
    },
  );
}

async function fetchDocument(
  version: string,
  context: RegistryPlace,
): Promise<TopDocument & { readonly claimed: string | undefined }> {
  const { repository, name } = context;
  return repository.get(`manifests/${version}`, { accept: manifestAccept }, async (response) => {
    if (response.status !== 200) throw await repository.failure(response);
    checkEncoding(response, name);
    const mediaType = documentType(response, name);
    const bytes = await readManifest(response, context);
    const claimed = response.headers["docker-content-digest"];
    return { bytes, mediaType, claimed: typeof claimed === "string" ? claimed : undefined };
  });
}

/** What is tagged as attached to an image; undefined when nothing is. */
async function fetchAttachment(tag: string, context: RegistryPlace): Promise<Uint8Array | undefined> {
  const { repository, name } = context;
  return repository.get(`manifests/${tag}`, { accept: manifestTypes[0] }, async (response) => {
    if (response.status === 404) return void response.discard();
    if (response.status !== 200) throw await repository.failure(response);
    checkEncoding(response, name);
    return readManifest(response, context);
  });
}

async function readManifest(response: HttpResponse, { options, name }: RegistryPlace): Promise<Uint8Array> {
  const { bytes: limit } = limitsOf(options);
  const bytes = await readBody(response, limit);
  if (bytes === undefined) throw beyondLimit(name, `its manifest is larger than ${limit} bytes`, "bytes");
  return bytes;
}

async function fetchSmallBlob(descriptor: Descriptor, context: RegistryPlace): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of await openBlob(descriptor, context)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  checkBytes(bytes, descriptor, context.name);
  return bytes;
}

/** The Content-Type without its parameters; undefined when there is none. */
function documentType(response: HttpResponse, name: string): string | undefined {
  const type = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type === "") return undefined;
  if (([...manifestTypes, ...indexTypes] as string[]).includes(type)) return type;
  response.discard();
  if (type.startsWith("application/vnd.docker.distribution.manifest.v1+")) {
    throw new KeelsonError("E_MANIFEST", `${name} is a Docker schema 1 image, a format without digests of its parts`, {
      hint: "Push the image again with a tool that writes schema 2 or OCI manifests.",
    });
  }
  throw new KeelsonError("E_REGISTRY", `${name}: the registry answered with ${printable(type)}, not with a manifest`, {
    hint: "Check that the host is a container registry and that the reference names an image.",
  });
}
