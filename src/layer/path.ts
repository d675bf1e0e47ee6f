import { KeelsonError, printable } from "../errors.ts";

/** Bytes that one name may have on the file systems of Linux. */
export const nameLimit = 255;
const pathLimit = 4095;

/**
 * The one way a name from an archive becomes a path: relative to the root of the tree, components joined by `/`, no
 * empty or `.` component, "" for the root itself. A leading `/` is that root. Throws E_LAYER for `..`, NUL, and names
 * longer than a file system takes.
 *
 * Names are bytes. Here and in every tree they are held as strings of one character a byte (latin1), so that comparing
 * two strings compares their bytes.
 */
export function treePath(name: string): string {
  if (name.includes("\0")) throw refused(name, "it contains a NUL byte");
  if (name.length > pathLimit) throw refused(name.slice(0, 64), `it is longer than ${pathLimit} bytes`);
  const components: string[] = [];
  for (const component of name.split("/")) {
    if (component === "" || component === ".") continue;
    if (component === "..") throw refused(name, "it climbs with ..");
    if (component.length > nameLimit) throw refused(name, `a part of it is longer than ${nameLimit} bytes`);
    components.push(component);
  }
  return components.join("/");
}

/** Directory and last component of a path from treePath; the root has neither. */
export function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? { parent: "", name: path } : { parent: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** How messages and answers show a name: its UTF-8 reading, control characters escaped. */
export function shownPath(path: string): string {
  return printable(Buffer.from(path, "latin1").toString("utf8"));
}

function refused(name: string, why: string): KeelsonError {
  return new KeelsonError("E_LAYER", `the layer names ${shownPath(name) || "nothing"}: ${why}`, {
    hint: "No correct image has such a name; do not install it, and tell its publisher.",
  });
}
