/** As systemd knows them. https://github.com/systemd/systemd/blob/v252/src/basic/mountpoint-util.c */
const networkTypes = new Set([
  ...["afs", "ceph", "cifs", "davfs", "gfs", "gfs2", "glusterfs", "lustre", "ncp", "ncpfs", "nfs", "nfs4", "ocfs2"],
  ...["orangefs", "pvfs2", "smb3", "smbfs", "sshfs"],
]);

/** The unit that mounts what is at a path: `srv-data.mount` for `/srv/data`, as systemd-escape(1) has it. */
function mountUnit(path: string): string {
  const parts = path.split("/").filter(Boolean);
  const escaped = parts.map((part) => [...Buffer.from(part)].map(escapeByte).join("")).join("-");
  return `${escaped === "" ? "-" : escaped.replace(/^\./, "\\x2e")}.mount`;
}

/** The units that may mount something at a path or above it, outermost first, without that of the root. */
export function mountUnitsOf(path: string): readonly string[] {
  const parts = path.split("/").filter(Boolean);
  return parts.map((_, index) => mountUnit(parts.slice(0, index + 1).join("/")));
}

/** The unit that systemd makes of fstab's line for this mount; undefined when it has none. */
export function fstabUnit(fstab: string, unit: string): string | undefined {
  for (const line of fstab.split("\n")) {
    const [, place = "", type = "", options = ""] = line.trim().split(/\s+/);
    if (line.trim().startsWith("#") || !place.startsWith("/")) continue;
    const path = place.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (mountUnit(path) === unit) return `[Mount]\nWhere=${path}\nType=${type}\nOptions=${options}\n`;
  }
  return undefined;
}

/** Whether a mount unit's text is of a file system that comes over the network. */
export function isRemoteMount(text: string): boolean {
  const type = /^Type=(?:fuse\.)?(\S+)/m.exec(text)?.[1] ?? "";
  const options = /^Options=(.*)$/m.exec(text)?.[1]?.split(",") ?? [];
  return networkTypes.has(type) || options.includes("_netdev");
}

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9:_.]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
}
