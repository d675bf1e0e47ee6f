import { KeelsonError, printable } from "../errors.ts";
import type { BindMount } from "./config.ts";

/** One line of tmpfiles.d(5). `mode`, `user` and `group` are "-" when left out. */
export interface TmpfilesLine {
  /** With modifiers: `d`, `L+`. */
  readonly type: string;
  readonly path: string;
  readonly mode: string;
  readonly user: string;
  readonly group: string;
  readonly age: string;
  readonly text: string;
}

/** Directories that belong to the host wholly: what is in them is not an image's to remove. */
const hostOnly = /^\/(?:usr|s?bin|lib\w*|boot|efi|dev|proc|sys|root|home)(?:\/|$)/;

/**
 * The lines of a rendered tmpfiles file. Throws E_TMPFILES for one that systemd-tmpfiles would refuse.
 * https://www.freedesktop.org/software/systemd/man/252/tmpfiles.d.html
 */
export function parseTmpfiles(text: string, name: string): readonly TmpfilesLine[] {
  const lines: TmpfilesLine[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const fields = line.match(/"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|\S+/g) ?? [];
    const [type = "", quotedPath = "", mode = "-", user = "-", group = "-", age = "-"] = fields;
    const path = quotedPath.replace(/^(["'])(.*)\1$/, "$2");
    if (!/^[a-zA-Z][!+\-=~^$]*$/.test(type) || !path.startsWith("/") || path.split("/").includes("..")) {
      throw new KeelsonError(
        "E_TMPFILES",
        `${name}, line ${index + 1}: ${printable(JSON.stringify(line.slice(0, 80)))} is not a tmpfiles line`,
        {
          hint: "A line is TYPE PATH MODE USER GROUP AGE ARGUMENT with an absolute path.",
        },
      );
    }
    lines.push({ type, path, mode, user, group, age, text: line });
  }
  return lines;
}

/**
 * Throws E_TMPFILES for a line that would remove what is not one container's: of the types r, R and D, or with an age, for
 * a directory that stands nearer to the root than those of containers do, or that is the host's.
 */
export function refuseClearing(lines: readonly TmpfilesLine[], name: string): void {
  for (const { type, path, age, text } of lines) {
    if (!/^[rRD]/.test(type) && age === "-") continue;
    const depth = path.split("/").filter((part) => !/^(?:\.?$|[*?[])/.test(part)).length;
    if (depth >= (/^\/+run\//.test(path) ? 2 : 3) && !hostOnly.test(path.replace(/\/+/g, "/"))) continue;
    throw new KeelsonError(
      "E_TMPFILES",
      `${name}: ${printable(JSON.stringify(text.slice(0, 80)))} would remove what is the host's`,
      {
        hint: "Lines that remove, or have an age, are for directories of the container, such as /var/lib/NAME.",
      },
    );
  }
}

/** Directories that the lines make: types d, D, v, q, Q and e, without those whose path holds a specifier or pattern. */
export function madeBy(lines: readonly TmpfilesLine[]): readonly string[] {
  const directories = lines.filter((line) => /^[dDvqQ]/.test(line.type) && !/[%*?[]/.test(line.path));
  return [...new Set(directories.map((line) => withoutSlashes(line.path)))];
}

/** Without those at the end. A pattern would try each of a long run of them that ends nothing. */
export function withoutSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/** Whether `systemd-tmpfiles --remove` does anything for these lines: types r, R and D. */
export function clearsAnything(text: string): boolean {
  return parseTmpfiles(text, "").some(({ type }) => /^[rRD]/.test(type));
}

/** Lines that make the sources of bind mounts, for an image without a tmpfiles template. */
export function tmpfilesForBinds(binds: readonly BindMount[], uid: number, gid: number): string {
  return binds.map(({ source }) => `d ${source} 0700 ${uid} ${gid} - -\n`).join("");
}
