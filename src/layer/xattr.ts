import { KeelsonError } from "../errors.ts";
import { parseAccessList } from "./acl.ts";
import type { Attributes, EntryKind, Xattrs } from "./entry.ts";
import { shownPath } from "./path.ts";

const valueLimit = 64 * 1024;
const kept = [/^user\.(?!overlay\.)./s, /^security\.capability$/, /^system\.posix_acl_(?:access|default)$/];
/** They describe the host that wrote the layer, or would gain a meaning as a lower directory of an overlay. */
const dropped = [
  /^security\.(?:selinux|ima|evm|SMACK64.*|apparmor)$/,
  /^system\.nfs4_acl$/,
  /^(?:trusted|user)\.overlay\./,
  /^trusted\.SGI_ACL_/,
];

const [capability, accessList, defaultList] = [
  "security.capability",
  "system.posix_acl_access",
  "system.posix_acl_default",
];
/** The sizes of the two revisions of file capabilities that the kernel takes. */
const capabilitySizes: Readonly<Record<number, number>> = { 2: 20, 3: 24 };

/**
 * The attributes that an entry of this kind gets: of its extended attributes those that keptXattrs keeps, its mode as an access
 * control list says it, which is what the kernel makes of both. Throws E_LAYER for what the kernel would not take.
 */
export function keptAttributes(kind: EntryKind, attributes: Attributes, path: string): Attributes {
  if (attributes.xattrs.length === 0) return attributes;
  const xattrs = keptXattrs(attributes.xattrs, path);
  // A symlink has none, and the attributes of a hard link are its target's.
  if (kind === "symlink" || kind === "hardlink") return { ...attributes, xattrs };
  for (const [name, value] of xattrs) if (!isTaken(kind, name, value)) throw unfit(path, name);
  const written = xattrs.find(([name]) => name === accessList);
  const list = written && parseAccessList(written[1]);
  if (list === undefined) return { ...attributes, xattrs };
  const mode = (attributes.mode & 0o7000) | list.mode;
  return { ...attributes, mode, xattrs: list.plain ? xattrs.filter(([name]) => name !== accessList) : xattrs };
}

/** Whether the kernel takes the attribute for what is no symlink. */
function isTaken(kind: EntryKind, name: string, value: string): boolean {
  if (name === capability) {
    const bytes = Buffer.from(value, "latin1");
    return bytes.length >= 4 && capabilitySizes[bytes.readUInt8(3)] === bytes.length;
  }
  if (name === defaultList && kind !== "directory") return false;
  if (name === accessList || name === defaultList) return parseAccessList(value) !== undefined;
  return kind === "file" || kind === "directory";
}

/**
 * The extended attributes of a layer's entry that keelson keeps: user.*, file capabilities and POSIX ACLs. Those that
 * belong to the host that wrote them are left out; any other throws E_LAYER. One without a value is left
 * out too: ostree does not see it, and would find the object damaged.
 */
function keptXattrs(xattrs: Xattrs, path: string): Xattrs {
  return xattrs.filter(([name, value]) => {
    if (dropped.some((pattern) => pattern.test(name))) return false;
    if (
      name.length > 255 ||
      value.length > valueLimit ||
      name.includes("\0") ||
      !kept.some((pattern) => pattern.test(name))
    ) {
      throw unfit(path, name);
    }
    return value !== "";
  });
}

function unfit(path: string, name: string): KeelsonError {
  return new KeelsonError(
    "E_LAYER",
    `${shownPath(path)} has the extended attribute ${shownPath(name.slice(0, 64))}, or a value that it cannot have`,
    {
      hint: "keelson keeps user.*, security.capability and POSIX ACLs of at most 64 KiB; build the image without it.",
    },
  );
}
