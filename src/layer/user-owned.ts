import { KeelsonError } from "../errors.ts";
import type { PlannedChange } from "./change.ts";
import type { Attributes } from "./entry.ts";
import { shownPath } from "./path.ts";

/**
 * A change as a store takes it whose files all belong to one user: they are root's for the container, without set-id bits and
 * extended attributes, and as open to their owner as that user needs. It is what OSTree's mode bare-user-only keeps of a file.
 * Undefined for a device node in /dev, where runtimes make their own. Throws E_LAYER for one elsewhere.
 */
export function userOwned(change: PlannedChange): PlannedChange | undefined {
  switch (change.kind) {
    case "whiteout":
    case "opaque":
    case "hardlink":
      return change;
    case "symlink":
      return { ...change, attributes: ownedByRoot(change.attributes, 0o777, 0) };
    case "directory":
      return { ...change, attributes: ownedByRoot(change.attributes, 0o1777, 0o700) };
    case "file":
    case "fifo":
      return { ...change, attributes: ownedByRoot(change.attributes, 0o775, 0o400) };
    case "character":
      if (change.path.startsWith("dev/")) return undefined;
      throw new KeelsonError("E_LAYER", `the layer's ${shownPath(change.path)} is a device node`, {
        hint: "Only root can make one, and only below /dev can it be left out: install the image as root, without --user.",
      });
  }
}

function ownedByRoot({ mode, mtime }: Attributes, kept: number, added: number): Attributes {
  return { uid: 0, gid: 0, mode: (mode & kept) | added, mtime, xattrs: [] };
}
