import type { Reference } from "../image/reference.ts";
import { openDockerArchive, openOciArchive } from "./archive.ts";
import { openContainersStorage } from "./containers-storage.ts";
import { openDirectory } from "./directory.ts";
import { openDirectoryImage } from "./directory-image.ts";
import { openDockerDaemon } from "./docker-daemon.ts";
import { openLayout } from "./layout.ts";
import { openMirrored } from "./mirrors.ts";
import type { SourceOptions } from "./options.ts";
import { openOwnStore } from "./own-store.ts";
import type { ImageSource } from "./source.ts";

/** The place that `reference` names. Nothing is contacted or opened before the source's first use. */
export function openSource(reference: Reference, options: SourceOptions): ImageSource {
  switch (reference.kind) {
    case "registry":
      return openMirrored(reference, options);
    case "oci":
      return openLayout(reference, async () => openDirectory(reference.path), options.limits);
    case "dir":
      return openDirectoryImage(reference, options.limits);
    case "oci-archive":
      return openOciArchive(reference, options);
    case "docker-archive":
      return openDockerArchive(reference, options);
    case "containers-storage":
      return openContainersStorage(reference, options);
    case "ostree":
      if (options.store === undefined) throw new Error("no store to read an image from");
      return openOwnStore(reference, options.store);
    case "docker-daemon":
      return openDockerDaemon(reference, options);
  }
}
