import { KeelsonError, printable } from "../errors.ts";
import { type Digest, parseDigest } from "../image/digest.ts";

/** The image that a name of a stack stands for. */
export interface LockedImage {
  /** As the stack file has it. */
  readonly image: string;
  readonly digest: Digest;
}

/** By the names of containers. */
export type Lock = ReadonlyMap<string, LockedImage>;

const firstLine = "# Written by keelson lock; keelson apply takes these images and no others.";

/** Where the lock of a stack file is: `node.conf` has `node.lock`. */
export function lockPathOf(path: string): string {
  return `${path.replace(/\.conf$/, "")}.lock`;
}

/** `NAME = IMAGE@DIGEST`, a line for each container in the order of their names: the same images give the same bytes. */
export function formatLock(lock: Lock): string {
  const rows = [...lock].sort(([one], [other]) => (one < other ? -1 : 1));
  const lines = rows.map(([name, { image, digest }]) => `${name} = ${quoted(`${image}@${digest}`)}`);
  return `${[firstLine, ...lines].join("\n")}\n`;
}

/** The inverse of formatLock, of what an ini file holds. Throws E_SETTINGS naming `path` and the container. */
export function parseLock(path: string, document: Readonly<Record<string, unknown>>): Lock {
  const rows = Object.entries(document).map(([name, value]): [string, LockedImage] => {
    const text = typeof value === "string" ? value : "";
    const at = text.lastIndexOf("@");
    try {
      return [name, { image: text.slice(0, Math.max(at, 0)), digest: parseDigest(text.slice(at + 1)) }];
    } catch (error) {
      throw new KeelsonError("E_SETTINGS", `${path}: ${printable(name)} is not of the form IMAGE@DIGEST`, {
        hint: "Write it anew with keelson lock.",
        cause: error,
      });
    }
  });
  return new Map(rows);
}

/**
 * The digest that is locked for a container's image; undefined without a lock. Throws E_SETTINGS where the lock is of another
 * stack.
 */
export function lockedDigest(name: string, image: string, lock: Lock | undefined, path: string): Digest | undefined {
  if (lock === undefined) return undefined;
  const locked = lock.get(name);
  if (locked?.image === image) return locked.digest;
  const what = locked === undefined ? `does not have ${name}` : `has ${printable(locked.image)} for ${name}`;
  throw new KeelsonError("E_SETTINGS", `${path} ${what}, whose image is ${printable(image)}`, {
    hint: `Write the lock anew with keelson lock, or remove ${path}.`,
  });
}

/** What would not be read back as it is stands in quotes. */
function quoted(text: string): string {
  return /^[^\s;#"'\\]+$/.test(text) ? text : JSON.stringify(text);
}
