/** Tags of an access control list as the kernel keeps it. https://man7.org/linux/man-pages/man5/acl.5.html */
const tags = { userObject: 0x01, user: 0x02, groupObject: 0x04, group: 0x08, mask: 0x10, other: 0x20 };
/** What each tag may be followed by. */
const order: Readonly<Record<number, readonly number[]>> = {
  [tags.userObject]: [tags.user, tags.groupObject],
  [tags.user]: [tags.user, tags.groupObject],
  [tags.groupObject]: [tags.group, tags.mask, tags.other],
  [tags.group]: [tags.group, tags.mask],
  [tags.mask]: [tags.other],
  [tags.other]: [],
};
const version = 2;
const nobody = 0xffffffff;

/** A POSIX access control list that the kernel would take. */
export interface AccessList {
  /** The permission bits that it means: its mask stands for the group. */
  readonly mode: number;
  /** Says nothing that these bits do not say. */
  readonly plain: boolean;
}

/**
 * Reads the value of `system.posix_acl_access` or `_default`, one character a byte; undefined for what the kernel would not
 * take.
 */
export function parseAccessList(value: string): AccessList | undefined {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 4 + 3 * 8 || bytes.length % 8 !== 4 || bytes.readUInt32LE(0) !== version) return undefined;
  const permissions = new Map<number, number>();
  let allowed: readonly number[] = [tags.userObject];
  for (let at = 4; at < bytes.length; at += 8) {
    const [tag, permission, id] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2), bytes.readUInt32LE(at + 4)];
    const named = tag === tags.user || tag === tags.group;
    if (!allowed.includes(tag) || permission > 7 || (named && id === nobody)) return undefined;
    permissions.set(tag, permission);
    allowed = order[tag] ?? [];
  }
  const of = (tag: number): number => permissions.get(tag) ?? 0;
  const masked = permissions.has(tags.mask);
  const names = permissions.has(tags.user) || permissions.has(tags.group);
  if (allowed.length > 0 || (names && !masked)) return undefined;
  const group = of(masked ? tags.mask : tags.groupObject);
  return { mode: (of(tags.userObject) << 6) | (group << 3) | of(tags.other), plain: !names && !masked };
}
