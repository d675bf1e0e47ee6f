import type { Digest } from "../image/digest.ts";
import { type DocumentLimits, standardLimits } from "../image/limits.ts";
import type { Descriptor } from "../image/manifest.ts";
import { type FileReference, formatReference } from "../image/reference.ts";
import type { ImageSignature } from "../trust/signature.ts";
import { type FileSet, readWhole, unreadable } from "./file-set.ts";
import { type Documents, imageOf } from "./resolution.ts";
import type { ImageSource, TopDocument } from "./source.ts";
import { checkBytes, mismatch } from "./verify.ts";

/** How a transport arranges an image in files. */
export interface FileForm {
  /** The manifest or index that `reference` names, checked; `readManifest` reads it from the files. */
  readTop(files: FileSet, name: string, readManifest: Documents["readManifest"]): Promise<TopDocument>;
  /** Where a layer or configuration is. */
  blobPath(blob: Descriptor): string;
  /** Where a manifest that an index names is. */
  manifestPath(manifest: Descriptor): string;
  /** The signatures attached to the manifest of that digest, where the transport has a place for any. */
  signatures?(
    files: FileSet,
    name: string,
    digest: Digest,
    readManifest: Documents["readManifest"],
  ): Promise<readonly ImageSignature[]>;
}

/** One image of `files`, which are opened at first use. */
export function openFileSource(
  reference: FileReference,
  openFiles: () => Promise<FileSet>,
  form: FileForm,
  limits: DocumentLimits = standardLimits,
): ImageSource {
  const name = formatReference(reference);
  let opened: Promise<FileSet> | undefined;
  const files = (): Promise<FileSet> => {
    opened ??= openFiles();
    return opened;
  };
  const readDocument = async (descriptor: Descriptor, path: string): Promise<Uint8Array> => {
    const bytes = await readWhole(await files(), path, limits.bytes);
    checkBytes(bytes, descriptor, name);
    return bytes;
  };
  const documents: Documents = {
    name,
    limits,
    readManifest: (descriptor) => readDocument(descriptor, form.manifestPath(descriptor)),
    readConfig: (descriptor) => readDocument(descriptor, form.blobPath(descriptor)),
  };
  const { signatures } = form;
  const readTop = async (): Promise<TopDocument> => form.readTop(await files(), name, documents.readManifest);
  return {
    readTop,
    readManifest: documents.readManifest,
    resolve: async (platform) => imageOf(await readTop(), documents, platform),
    openBlob: async (blob) => {
      const file = await (await files()).open(form.blobPath(blob));
      if (file === undefined) throw unreadable(name, `it lacks the blob ${blob.digest}`);
      if (file.size === blob.size) return file.read();
      throw mismatch(name, `${blob.digest} has ${file.size} bytes, not the ${blob.size} it is described with`);
    },
    ...(signatures && {
      signatures: async (digest: Digest) => signatures(await files(), name, digest, documents.readManifest),
    }),
    close: async () => {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}
