import { type Digest, digestOf, hexOf } from "../image/digest.ts";
import { type DocumentLimits, standardLimits } from "../image/limits.ts";
import type { FileReference } from "../image/reference.ts";
import { openDirectory } from "./directory.ts";
import { readWhole, unreadable } from "./file-set.ts";
import { type FileForm, openFileSource } from "./file-source.ts";
import { readDirectorySignatures } from "./lookaside.ts";
import type { ImageSource } from "./source.ts";

/** What stands before `signature-N` of a manifest: nothing for that of the directory, `top`. */
function signaturePrefix(digest: Digest, top: Digest): string {
  return digest === top ? "" : `${hexOf(digest)}-`;
}

/** The first line of a `dir:` image's file `version`. */
const directoryVersion = "Directory Transport Version: ";

/**
 * The image of a directory as skopeo writes it: `manifest.json`, `HEX.manifest.json` for each manifest of an index, blobs by
 * their hex characters. https://github.com/containers/image/blob/main/docs/containers-transports.5.md#dirpath
 */
export function openDirectoryImage(reference: FileReference, limits: DocumentLimits = standardLimits): ImageSource {
  const form: FileForm = {
    readTop: async (files, name) => {
      const version = (await readWhole(files, "version", 1024)).toString("latin1");
      if (!version.startsWith(`${directoryVersion}1.`)) throw unreadable(name, "its version is not 1");
      return { bytes: await readWhole(files, "manifest.json", limits.bytes), mediaType: undefined };
    },
    signatures: async (files, _name, digest) => {
      const top = digestOf(await readWhole(files, "manifest.json", limits.bytes));
      return readDirectorySignatures(files, signaturePrefix(digest, top));
    },
    blobPath: ({ digest }) => hexOf(digest),
    manifestPath: ({ digest }) => `${hexOf(digest)}.manifest.json`,
  };
  return openFileSource(reference, async () => openDirectory(reference.path), form, limits);
}
