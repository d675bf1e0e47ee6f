import type { Attributes } from "../layer/entry.ts";

const self = process.getuid?.() ?? 0;

/**
 * Whether files get the owners, set-id bits and extended attributes that images give them. Only root can do that: in the
 * store of another user all files are that user's, and stand for files of root.
 */
export const keepsOwners = self === 0;

/** How OSTree calls a store whose objects are files of that kind. */
export const repositoryMode = keepsOwners ? "bare" : "bare-user-only";

/** The owner that a file of the store stands for. */
export function ownerOf(file: Pick<Attributes, "uid" | "gid">): Pick<Attributes, "uid" | "gid"> {
  if (keepsOwners) return { uid: file.uid, gid: file.gid };
  return file.uid === self ? { uid: 0, gid: 0 } : { uid: file.uid, gid: file.gid };
}
