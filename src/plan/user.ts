import { KeelsonError, printable } from "../errors.ts";

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

/**
 * The numbers behind an image's `User`: `user`, `uid`, `user:group` and so on, names looked up in the image's own
 * passwd(5) and group(5). A number needs no entry; without a group it is the user's own, else 0. Throws E_CONFIG.
 * https://github.com/opencontainers/image-spec/blob/main/conversion.md#configuser
 */
export function resolveUser(user: string, passwd: string, group: string): UserIds {
  const [name = "", groupName] = user.split(":");
  if (name === "" && groupName === undefined) return { uid: 0, gid: 0, additionalGids: [] };
  const users = rows(passwd);
  const groups = rows(group);
  const entry = users.find((row) => row[0] === name) ?? users.find((row) => row[2] === name);
  const uid = idOf(entry?.[2] ?? name, `user ${name}`);
  if (groupName !== undefined) {
    const found = groups.find((row) => row[0] === groupName);
    return { uid, gid: idOf(found?.[2] ?? groupName, `group ${groupName}`), additionalGids: [] };
  }
  const members = groups.filter((row) => entry !== undefined && (row[3] ?? "").split(",").includes(entry[0] ?? ""));
  const additionalGids = members.map((row) => idOf(row[2] ?? "", `group ${row[0]}`));
  return { uid, gid: entry === undefined ? 0 : idOf(entry[3] ?? "0", `group of ${name}`), additionalGids };
}

function rows(text: string): readonly (readonly string[])[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

function idOf(text: string, what: string): number {
  if (/^[0-9]{1,10}$/.test(text) && Number(text) <= 0xfffffffe) return Number(text);
  throw new KeelsonError(
    "E_CONFIG",
    `the image names the ${printable(what)}, which its passwd and group files do not have`,
    {
      hint: "Use a number, or add the user to the image.",
    },
  );
}
