import { casesOf, contained, exactly, imageOf, refused } from "../case.ts";
import { directory, fifo, file, hardlink, layer, symlink, withPax } from "../entries.ts";
import { isDirectory, isFifo, isFile, isLink, isSameAs } from "../rows.ts";

const attribute = refused("E_LAYER", /extended attribute/);
/** cap_net_raw=ep, as the kernel keeps it. */
const capability = "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/** user::rwx, user:7:r-x, group::r-x, mask::r-x, other::---, as the kernel keeps it. */
const list =
  "\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x05\0\x07\0\0\0\x04\0\x05\0\xff\xff\xff\xff\x10\0\x05\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
/** user::rw-, group::r--, other::---. */
const plainList = "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x04\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
const access = "SCHILY.xattr.system.posix_acl_access";

/** Extended attributes. */
export const attributes = casesOf(
  "2.3",
  [
    "file capabilities of another owner",
    imageOf(
      layer(withPax({ "SCHILY.xattr.security.capability": capability }, file("ping", "x", { mode: 0o755, uid: 7 }))),
    ),
    exactly({ ping: isFile("x", { mode: 0o755, uid: 7, xattrs: { "security.capability": capability } }) }),
  ],
  [
    "capabilities that are none",
    imageOf(layer(withPax({ "SCHILY.xattr.security.capability": "root" }, file("f")))),
    attribute,
  ],
  [
    "an access control list",
    imageOf(layer(withPax({ [access]: list }, file("f", "x", { mode: 0o750 })))),
    exactly({ f: isFile("x", { mode: 0o750, xattrs: { "system.posix_acl_access": list } }) }),
  ],
  [
    "an access control list that is none",
    imageOf(layer(withPax({ [access]: "\x02\0\0\0junk" }, file("f", "x")))),
    attribute,
  ],
  [
    "a default list that nothing below inherits",
    imageOf(
      layer(
        withPax({ "SCHILY.xattr.system.posix_acl_default": list }, directory("d")),
        directory("d/e"),
        fifo("d/p"),
        file("d/f"),
      ),
    ),
    exactly({
      d: isDirectory({ xattrs: { "system.posix_acl_default": list } }),
      "d/e": isDirectory(),
      "d/p": isFifo(),
      "d/f": isFile(),
    }),
  ],
  [
    "a default list of a file",
    imageOf(layer(withPax({ "SCHILY.xattr.system.posix_acl_default": list }, file("f")))),
    attribute,
  ],
  [
    "an access control list that says what the mode says",
    imageOf(layer(withPax({ [access]: plainList }, file("f", "x", { mode: 0o4644 })))),
    contained({ f: isFile("x", { mode: 0o4640 }) }),
  ],
  [
    "an access control list that says more than the mode",
    imageOf(layer(withPax({ [access]: list }, directory("d", { mode: 0o700 })))),
    contained({ d: isDirectory({ mode: 0o750, xattrs: { "system.posix_acl_access": list } }) }),
  ],
  ["an attribute of users on a fifo", imageOf(layer(withPax({ "SCHILY.xattr.user.a": "x" }, fifo("p")))), attribute],
  [
    "an attribute of users on a hard link",
    imageOf(layer(file("a", "x"), withPax({ "SCHILY.xattr.user.a": "x" }, hardlink("b", "a")))),
    contained({ a: isFile("x"), b: isSameAs("a") }),
  ],
  [
    "attributes of users, to the byte",
    imageOf(layer(withPax({ "SCHILY.xattr.user.a": "\0\xff\n=", "SCHILY.xattr.user.\xc3\xa9": "b" }, file("f", "x")))),
    exactly({ f: isFile("x", { xattrs: { "user.a": "\0\xff\n=", "user.\xc3\xa9": "b" } }) }),
  ],
  [
    "attributes of the machine that built the image",
    imageOf(
      layer(
        withPax(
          {
            "SCHILY.xattr.security.selinux": "system_u:object_r:etc_t:s0\0",
            "SCHILY.xattr.security.ima": "\x01",
            "SCHILY.xattr.system.nfs4_acl": "x",
          },
          file("f", "x"),
        ),
      ),
    ),
    contained({ f: isFile("x") }),
  ],
  ["attributes of nobody's", imageOf(layer(withPax({ "SCHILY.xattr.trusted.mine": "x" }, file("f")))), attribute],
  [
    "an attribute of security that none knows",
    imageOf(layer(withPax({ "SCHILY.xattr.security.mine": "x" }, file("f")))),
    attribute,
  ],
  ["an attribute without a name", imageOf(layer(withPax({ "SCHILY.xattr.": "x" }, file("f")))), attribute],
  [
    "an attribute of a name of 300 bytes",
    imageOf(layer(withPax({ [`SCHILY.xattr.user.${"n".repeat(300)}`]: "x" }, file("f")))),
    attribute,
  ],
  [
    "an attribute of 128 KiB",
    imageOf(layer(withPax({ "SCHILY.xattr.user.a": "x".repeat(131_072) }, file("f")))),
    attribute,
  ],
  [
    "an attribute with a NUL in its name",
    imageOf(layer(withPax({ "SCHILY.xattr.user.a\0b": "x" }, file("f")))),
    refused("E_LAYER", /NUL/),
  ],
  [
    "attributes of a symlink, which can have none",
    imageOf(layer(withPax({ "SCHILY.xattr.user.a": "x" }, symlink("l", "/etc/passwd")))),
    contained({ l: isLink("/etc/passwd") }),
  ],
);
