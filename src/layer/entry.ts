/** Names and values of extended attributes, one character a byte, sorted by name. */
export type Xattrs = readonly (readonly [name: string, value: string])[];

/** What an inode carries besides its content: permission bits with set-id and sticky, seconds since 1970. */
export interface Attributes {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly mtime: number;
  readonly xattrs: Xattrs;
}

export type EntryKind = "file" | "directory" | "symlink" | "hardlink" | "fifo" | "character" | "block";

/** One entry of a tar archive, its extension headers merged in. `path` and `linkTarget` are as written, unchecked. */
export interface TarEntry {
  readonly kind: EntryKind;
  readonly path: string;
  readonly linkTarget: string;
  /** Bytes of content the reader will deliver, holes of a sparse file included. 0 for all but files. */
  readonly size: number;
  readonly attributes: Attributes;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}
