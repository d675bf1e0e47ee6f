import type { FileHandle } from "node:fs/promises";
import { posix } from "node:path";
import { Header, Pax } from "tar";
import { readRange, unreadable } from "./file-set.ts";

const blockSize = 512;
const extensionLimit = 1024 * 1024;
const memberLimit = 100_000;
const linkLimit = 8;

/** Where a member's bytes are in the archive file. */
interface Span {
  readonly position: number;
  readonly size: number;
}

type Member = ({ readonly kind: "file" } & Span) | { readonly kind: "link"; readonly target: string };

/** The regular files of a tar archive by name; links are followed inside it. */
export interface TarIndex {
  /** Undefined when no such file is there, or a link leads out of the archive or nowhere. */
  find(path: string): Span | undefined;
}

/** What the headers before a member say about it. */
interface Extension {
  readonly local: Pax | undefined;
  readonly path: string | undefined;
  readonly linkpath: string | undefined;
}

const noExtension: Extension = { local: undefined, path: undefined, linkpath: undefined };

/**
 * Reads the headers of the uncompressed tar of `size` bytes in `handle`, and none of its contents. Of members of one
 * name the last counts, as when extracted. Throws E_SOURCE for a damaged or truncated archive.
 */
export async function indexTar(handle: FileHandle, size: number, name: string): Promise<TarIndex> {
  const members = new Map<string, Member>();
  let extension = noExtension;
  for (let position = 0; position + blockSize <= size; ) {
    const header = new Header(await readSpan(handle, { position, size: blockSize }, name), 0, extension.local);
    if (header.nullBlock) break;
    if (!header.cksumValid) throw unreadable(name, `it is not a tar archive, or damaged at byte ${position}`);
    const span = { position: position + blockSize, size: header.size ?? -1 };
    if (span.size < 0 || !Number.isSafeInteger(span.size) || span.position + span.size > size) {
      throw unreadable(name, `it is truncated: the member at byte ${position} goes beyond its end`);
    }
    position = span.position + Math.ceil(span.size / blockSize) * blockSize;
    if (isExtension(header)) {
      extension = await extended(extension, header, handle, span, name);
    } else {
      addMember(members, header, extension, span);
      extension = noExtension;
    }
    if (members.size > memberLimit) throw unreadable(name, `it has more than ${memberLimit} members`);
  }
  return { find: (path) => findMember(members, path) };
}

function isExtension(header: Header): boolean {
  return ["ExtendedHeader", "GlobalExtendedHeader", "NextFileHasLongPath", "NextFileHasLongLinkpath"].includes(
    header.type,
  );
}

async function extended(
  before: Extension,
  header: Header,
  handle: FileHandle,
  span: Span,
  name: string,
): Promise<Extension> {
  if (span.size > extensionLimit)
    throw unreadable(name, `a member's extended header is larger than ${extensionLimit} bytes`);
  const text = (await readSpan(handle, span, name)).toString("utf8");
  switch (header.type) {
    case "ExtendedHeader":
      return { ...before, local: Pax.parse(text, before.local) };
    case "NextFileHasLongPath":
      return { ...before, path: text.replace(/\0.*$/s, "") };
    case "NextFileHasLongLinkpath":
      return { ...before, linkpath: text.replace(/\0.*$/s, "") };
    default:
      return before;
  }
}

function addMember(members: Map<string, Member>, header: Header, extension: Extension, span: Span): void {
  const path = innerPath(extension.path ?? header.path ?? "", "");
  if (path === undefined) return;
  const linkpath = extension.linkpath ?? extension.local?.linkpath ?? header.linkpath ?? "";
  if (["File", "OldFile", "ContiguousFile"].includes(header.type)) {
    members.set(path, { kind: "file", ...span });
  } else if (header.type === "SymbolicLink" || header.type === "Link") {
    const target = innerPath(linkpath, header.type === "Link" ? "" : posix.dirname(path));
    if (target !== undefined) members.set(path, { kind: "link", target });
  }
}

function findMember(members: ReadonlyMap<string, Member>, path: string): Span | undefined {
  let at = innerPath(path, "");
  for (let hops = 0; at !== undefined && hops <= linkLimit; hops++) {
    const member = members.get(at);
    if (member?.kind !== "link") return member;
    at = member.target;
  }
  return undefined;
}

/** `path` as seen from the directory `from`, without `.` and `..`; undefined when it leaves the archive. */
function innerPath(path: string, from: string): string | undefined {
  if (path.startsWith("/") && from !== "") return undefined;
  const normal = posix.normalize(posix.join(from, path)).replace(/^\/+|\/+$/g, "");
  return normal === ".." || normal.startsWith("../") ? undefined : normal;
}

async function readSpan(handle: FileHandle, span: Span, name: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readRange(handle, span.position, span.size, name)) pieces.push(piece);
  return Buffer.concat(pieces);
}
