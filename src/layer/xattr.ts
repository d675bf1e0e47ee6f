import { KeelsonError } from "../errors.ts";
import type { Xattrs } from "./entry.ts";
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

/**
 * The extended attributes of a layer's entry that keelson keeps: user.*, file capabilities and POSIX ACLs. Those that
 * belong to the host that wrote them are left out; any other throws E_LAYER. One without a value is left
 * out too: ostree does not see it, and would find the object damaged.
 */
export function keptXattrs(xattrs: Xattrs, path: string): Xattrs {
  return xattrs.filter(([name, value]) => {
    if (dropped.some((pattern) => pattern.test(name))) return false;
    if (
      name.length > 255 ||
      value.length > valueLimit ||
      name.includes("\0") ||
      !kept.some((pattern) => pattern.test(name))
    ) {
      throw new KeelsonError(
        "E_LAYER",
        `${shownPath(path)} has the extended attribute ${shownPath(name.slice(0, 64))}`,
        {
          hint: "keelson keeps user.*, security.capability and POSIX ACLs of at most 64 KiB; build the image without it.",
        },
      );
    }
    return value !== "";
  });
}
