import { KeelsonError, printable } from "../errors.ts";
import { isBelow, isUsers, type Places, type User } from "./places.ts";
import type { TmpfilesLine } from "./tmpfiles.ts";

const blank = String.raw`[^\S\n]+`;
const field = String.raw`(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\S+)`;
const line = new RegExp(`^(\\s*(?!#)\\S+${blank}${field}${blank}\\S+${blank})(\\S+)(?:(${blank})(\\S+))?`, "gm");

/** The lines with no other owner than who has systemd-tmpfiles read them: a user cannot give directories away. */
export function ownedByUser(text: string): string {
  return text.replace(line, (_, before: string, _user: string, space?: string) =>
    space === undefined ? `${before}-` : `${before}-${space}-`,
  );
}

/** A sentence for each directory that was to be another user's than root's in the container. */
export function ownerWarnings(lines: readonly TmpfilesLine[]): readonly string[] {
  return lines.flatMap(({ type, path, user, group }) => {
    if (!/^[dDvqQe]/.test(type) || (isRoots(user) && isRoots(group))) return [];
    const owner = [user, group].map((name) => (isRoots(name) ? "0" : name)).join(":");
    const command = `unshare --map-root-user --map-auto chown ${owner} ${path}`;
    return [
      `${printable(path)} is root's in the container; give it to ${printable(owner)} there with: ${printable(command)}`,
    ];
  });
}

function isRoots(name: string): boolean {
  return name === "-" || name === "0" || name === "root";
}

/**
 * Throws E_TMPFILES for a line about something that is not the user's, and for one that would remove, by its type or age, what
 * is not below the places where programs keep state and configuration.
 */
export function refuseForeign(lines: readonly TmpfilesLine[], name: string, places: Places, user: User): void {
  for (const { type, path, age, text } of lines) {
    const clears = /^[rRD]/.test(type) || age !== "-";
    const plain = path.replace(/\/+/g, "/").replace(/\/[^/]*[*?[].*$/, "/");
    const within = [places.run, places.conf, places.state].some(
      (directory) => isBelow(plain, directory) && plain !== `${directory}/`,
    );
    if (clears ? within : isUsers(path, user)) continue;
    const what = clears ? "would remove what programs do not keep there" : "is about what is not yours";
    throw new KeelsonError("E_TMPFILES", `${name}: ${printable(JSON.stringify(text.slice(0, 80)))} ${what}`, {
      hint: "Install it as root, without --user; an image for users too has its directories below $STATE_DIRECTORY.",
    });
  }
}
