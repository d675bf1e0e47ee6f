import type { FileHandle } from "node:fs/promises";
import { KeelsonError } from "../errors.ts";
import { type DaemonReference, formatDaemonImage } from "../image/engine-reference.ts";
import { formatReference } from "../image/reference.ts";
import { archiveFiles, openNameless } from "./archive.ts";
import type { ImageDestination } from "./destination.ts";
import { openDockerEngine } from "./docker-engine.ts";
import { openDockerSave } from "./docker-save.ts";
import { openDockerSaveDestination } from "./docker-save-destination.ts";
import { readRange } from "./file-set.ts";
import type { SourceOptions } from "./options.ts";
import { openTarWriter } from "./sink.ts";
import type { ImageSource } from "./source.ts";

/** An image of a Docker daemon: the archive it saves passes through a nameless file in the cache directory. */
export function openDockerDaemon(reference: DaemonReference, options: SourceOptions): ImageSource {
  const image = formatDaemonImage(reference);
  // The archive holds what was asked for and nothing else.
  return openDockerSave({ name: formatReference(reference), tag: undefined, limits: options.limits }, async () => {
    const engine = openDockerEngine(options.dockerHost, options.signal);
    const file = await openNameless(options.cacheDirectory);
    try {
      for await (const piece of await engine.save(image)) await file.appendFile(piece);
      return await archiveFiles(file, `${engine.name}, ${image}`);
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

/** A Docker daemon to give an image to, under a name with a tag. */
export async function openDaemonDestination(
  reference: DaemonReference,
  options: SourceOptions,
): Promise<ImageDestination> {
  if (!("name" in reference) || reference.name.digest !== undefined) {
    throw new KeelsonError("E_REFERENCE", `${formatReference(reference)} is not the name of an image to be`, {
      hint: "Write docker-daemon:NAME:TAG: ids and digests follow from what is in an image.",
    });
  }
  const engine = openDockerEngine(options.dockerHost, options.signal);
  const file: FileHandle = await openNameless(options.cacheDirectory);
  const archive = openTarWriter(file);
  const commit = async (): Promise<void> => {
    await archive.end();
    const { size } = await file.stat();
    await engine.load(readRange(file, 0, size, engine.name), size);
  };
  return openDockerSaveDestination(
    { ...archive, commit, close: () => file.close() },
    { tag: formatDaemonImage(reference), name: engine.name, cacheDirectory: options.cacheDirectory },
  );
}
