import { KeelsonError } from "../errors.ts";
import { type LayerChange, type PlannedChange, planChange } from "../layer/change.ts";
import type { TarEntry } from "../layer/entry.ts";
import { shownPath } from "../layer/path.ts";
import { openTarReader, type TarSink } from "../layer/tar.ts";
import { type FileWriter, openFileWriter, storeFile, storeSymlink } from "./content.ts";
import type { Repository } from "./repository.ts";

export interface UnpackLimits {
  /** Entries of one layer. */
  readonly entries: number;
  /** Bytes of one file. */
  readonly fileSize: number;
}

/** Files up to this many bytes are held whole, so that one that is stored already is not written again. */
const wholeFileLimit = 256 * 1024;

/**
 * Reads one layer's uncompressed tar into the repository's staging area; its change list, in archive order. The stream
 * is read to its end before the list is given. Throws E_LAYER, E_LIMIT, and what the stream throws.
 */
export async function unpack(
  stream: AsyncIterable<Buffer>,
  repository: Repository,
  limits: UnpackLimits,
): Promise<readonly LayerChange[]> {
  const sink = openSink(repository, limits);
  try {
    const reader = openTarReader(sink);
    for await (const chunk of stream) reader.write(chunk);
    reader.finish();
  } catch (error) {
    sink.abandon();
    throw error;
  }
  return sink.changes;
}

interface UnpackSink extends TarSink {
  readonly changes: LayerChange[];
  abandon(): void;
}

function openSink(repository: Repository, limits: UnpackLimits): UnpackSink {
  const changes: LayerChange[] = [];
  let planned: PlannedChange | undefined;
  let whole: Buffer[] = [];
  let writer: FileWriter | undefined;

  return {
    changes,
    entry(entry) {
      checkLimits(entry, changes.length, limits);
      planned = planChange(entry);
      if (planned?.kind === "file" && entry.size > wholeFileLimit)
        writer = openFileWriter(repository, planned.attributes);
    },
    data(chunk) {
      if (planned?.kind !== "file") return;
      if (writer !== undefined) writer.write(chunk);
      else whole.push(whole.length === 0 && chunk.length === planned.size ? chunk : Buffer.from(chunk));
    },
    end() {
      if (planned !== undefined) changes.push(storeChange(repository, planned, whole, writer));
      planned = undefined;
      whole = [];
      writer = undefined;
    },
    abandon: () => writer?.abandon(),
  };
}

function storeChange(
  repository: Repository,
  planned: PlannedChange,
  whole: readonly Buffer[],
  writer: FileWriter | undefined,
): LayerChange {
  switch (planned.kind) {
    case "file": {
      const only = whole.length === 1 ? whole[0] : undefined;
      const object = writer?.finish() ?? storeFile(repository, planned.attributes, only ?? Buffer.concat(whole));
      return { ...planned, object };
    }
    case "symlink":
      return { ...planned, object: storeSymlink(repository, planned.attributes, planned.target) };
    default:
      return planned;
  }
}

function checkLimits(entry: TarEntry, count: number, limits: UnpackLimits): void {
  const hint = "Raise the limit in keelson.conf if the image is meant to be so large.";
  if (count >= limits.entries)
    throw new KeelsonError("E_LIMIT", `a layer has more than ${limits.entries} entries`, { hint });
  if (entry.size > limits.fileSize) {
    throw new KeelsonError("E_LIMIT", `${shownPath(entry.path)} is larger than ${limits.fileSize} bytes`, { hint });
  }
}
