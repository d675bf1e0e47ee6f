import { KeelsonError } from "../errors.ts";
import { formatReference, type Reference, type RegistryReference } from "../image/reference.ts";
import type { ImageDestination } from "./destination.ts";
import { openDaemonDestination } from "./docker-daemon.ts";
import { openDockerSaveDestination, openSavedFile } from "./docker-save-destination.ts";
import { openDirectoryDestination, openLayoutDestination } from "./file-destination.ts";
import type { SourceOptions } from "./options.ts";
import { type OwnEndpoint, ownEndpoint } from "./own-endpoint.ts";
import { openRegistryDestination } from "./registry-destination.ts";

/** The place that `reference` names, to write an image to. */
export async function openDestination(reference: Reference, options: SourceOptions): Promise<ImageDestination> {
  switch (reference.kind) {
    case "registry":
      return openRegistryAt(await ownEndpoint(reference, options));
    case "oci":
    case "oci-archive":
      return openLayoutDestination(reference);
    case "dir":
      return openDirectoryDestination(reference);
    case "containers-storage":
      throw new KeelsonError(
        "E_REFERENCE",
        `${formatReference(reference)} cannot be written: such a store is only read`,
        {
          hint: "Copy to oci:DIR or a registry, and let podman pull it from there.",
        },
      );
    case "ostree":
      throw new KeelsonError("E_REFERENCE", `${formatReference(reference)} cannot be written to by name`, {
        hint: "keelson pull brings an image into the store.",
      });
    case "docker-daemon":
      return openDaemonDestination(reference, options);
    case "docker-archive":
      if (reference.tag === undefined || /:[^/]+$/.test(reference.tag)) {
        const { cacheDirectory } = options;
        const save = { name: reference.path, tag: reference.tag, cacheDirectory };
        return openDockerSaveDestination(await openSavedFile(reference.path), save);
      }
      throw new KeelsonError("E_REFERENCE", `${formatReference(reference)} does not say NAME:TAG behind the file`, {
        hint: "Write docker-archive:FILE:NAME:TAG, or leave the name out.",
      });
  }
}

function openRegistryAt({ reference, options }: OwnEndpoint<RegistryReference>): ImageDestination {
  return openRegistryDestination(reference, options);
}
