import { KeelsonError } from "../errors.ts";
import { type LayerChange, type PlannedChange, planChange } from "../layer/change.ts";
import type { TarEntry } from "../layer/entry.ts";
import { shownPath } from "../layer/path.ts";
import { openTarReader, type TarSink } from "../layer/tar.ts";
import { userOwned } from "../layer/user-owned.ts";
import { type NewList, openListWriter } from "./change-list.ts";
import { type FileWriter, openFileWriter, storeFile, storeSymlink } from "./content.ts";
import { keepsOwners } from "./owner.ts";
import type { Staging } from "./staging.ts";

export interface UnpackLimits {
  /** Entries of one layer. */
  readonly entries: number;
  /** Bytes of all its files together, holes of sparse ones included. */
  readonly bytes: number;
  /** Bytes of one extension header: see openTarReader. */
  readonly header?: number;
}

/** Files up to this many bytes are held whole, so that one that is stored already is not written again. */
const wholeFileLimit = 256 * 1024;

/**
 * Reads one layer's uncompressed tar into the staging area; its change list, which stands there too. The stream
 * is read to its end before the list is given. Throws E_LAYER, E_LIMIT, and what the stream throws.
 */
export async function unpack(stream: AsyncIterable<Buffer>, staging: Staging, limits: UnpackLimits): Promise<NewList> {
  const unpacking = openUnpacking(staging, limits);
  try {
    for await (const chunk of stream) unpacking.write(chunk);
    return unpacking.finish();
  } catch (error) {
    unpacking.abandon();
    throw error;
  }
}

/** One layer's tar on its way into the staging area, piece by piece. */
export interface Unpacking {
  /** Takes the next bytes; the buffer may be reused when this returns. Throws E_LAYER, E_LIMIT. */
  write(chunk: Buffer): void;
  /** Says that there are no more; the change list, in archive order. Throws E_LAYER. */
  finish(): NewList;
  /** Closes what is open. */
  abandon(): void;
}

/** See unpack. */
export function openUnpacking(staging: Staging, limits: UnpackLimits): Unpacking {
  const list = openListWriter(staging.scratchPath());
  const parts = openParts();
  let planned: PlannedChange | undefined;
  let writer: FileWriter | undefined;
  let bytes = 0;
  let entries = 0;

  const sink: TarSink = {
    entry(entry) {
      bytes += entry.size;
      entries++;
      checkLimits(entry, { entries, bytes }, limits);
      const asked = planChange(entry);
      planned = asked === undefined || keepsOwners ? asked : userOwned(asked);
      parts.clear();
      if (planned?.kind === "file" && entry.size > wholeFileLimit) writer = openFileWriter(staging, planned.attributes);
    },
    data(chunk) {
      if (planned?.kind !== "file") return;
      if (writer !== undefined) writer.write(chunk);
      // Content that comes in one piece is stored before the reader goes on.
      else parts.add(chunk, chunk.length === planned.size);
    },
    end() {
      if (planned !== undefined) list.add(storeChange(staging, planned, writer?.finish, parts.content));
      planned = undefined;
      writer = undefined;
    },
  };
  const reader = openTarReader(sink, limits.header);

  return {
    write: reader.write,
    finish() {
      reader.finish();
      return list.finish();
    },
    abandon() {
      writer?.abandon();
      list.abandon();
    },
  };
}

interface Parts {
  clear(): void;
  /** `whole` says that there is no other part: it is not copied. */
  add(chunk: Buffer, whole: boolean): void;
  content(): Buffer;
}

/** Puts together files of at most `wholeFileLimit` bytes, one after the other in the same memory. */
function openParts(): Parts {
  let memory: Buffer | undefined;
  let only: Buffer | undefined;
  let size = 0;
  return {
    clear() {
      only = undefined;
      size = 0;
    },
    add(chunk, whole) {
      if (whole) {
        only = chunk;
        return;
      }
      memory ??= Buffer.allocUnsafeSlow(wholeFileLimit);
      size += chunk.copy(memory, size);
    },
    content: () => only ?? memory?.subarray(0, size) ?? Buffer.alloc(0),
  };
}

function storeChange(
  staging: Staging,
  planned: PlannedChange,
  finish: (() => string) | undefined,
  content: () => Buffer,
): LayerChange {
  switch (planned.kind) {
    case "file":
      return { ...planned, object: finish?.() ?? storeFile(staging, planned.attributes, content()) };
    case "symlink":
      return { ...planned, object: storeSymlink(staging, planned.attributes, planned.target) };
    default:
      return planned;
  }
}

/** `used` counts the entry that is looked at. */
function checkLimits(entry: TarEntry, used: UnpackLimits, limits: UnpackLimits): void {
  const hint = (key: string): string => `Raise ${key} in keelson.conf if the image is meant to be so large.`;
  if (used.entries > limits.entries)
    throw new KeelsonError("E_LIMIT", `a layer has more than ${limits.entries} entries`, {
      hint: hint("layer_entries"),
    });
  if (entry.size > limits.bytes)
    throw new KeelsonError("E_LIMIT", `${shownPath(entry.path)} is larger than ${limits.bytes} bytes`, {
      hint: hint("layer_size"),
    });
  if (used.bytes > limits.bytes)
    throw new KeelsonError("E_LIMIT", `the files of a layer have more than ${limits.bytes} bytes`, {
      hint: hint("layer_size"),
    });
}
