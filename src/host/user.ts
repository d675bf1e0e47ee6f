import { existsSync, readFileSync, realpathSync } from "node:fs";
import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import { type IdRange, mapIds, parseSubordinate } from "../plan/id-maps.ts";
import { type Places, type User, userPlaces } from "../plan/places.ts";
import { programPath } from "./program.ts";

/** The places of the user who runs keelson, which are on the host itself. Throws E_USAGE for another root, and for root. */
export function readUserPlaces(root: string, environment: NodeJS.ProcessEnv): Places {
  if (root === "/") return userPlaces(readUser(environment));
  throw new KeelsonError("E_USAGE", "--user and --root cannot go together", {
    hint: "A user's containers are those of a running host.",
  });
}

/** Throws E_NOT_ROOT for a user who would change the host: its store belongs to root. */
export function refuseStranger({ user }: Places, verb: string): void {
  if (user !== undefined || process.getuid?.() === 0) return;
  throw new KeelsonError("E_NOT_ROOT", `keelson ${verb} changes the host, and you are not root`, {
    hint: "Run it as root, or as keelson --user for containers of your own.",
  });
}

/**
 * Who runs keelson, and the ids that this user's containers get: those of /etc/subuid and /etc/subgid, where newuidmap and
 * newgidmap are there to give them. Throws E_USAGE for root, and for a user without a home.
 */
function readUser(environment: NodeJS.ProcessEnv): User {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid === 0) {
    throw new KeelsonError("E_USAGE", "--user does not work for root", {
      hint: "root's containers are those of the host: leave out --user.",
    });
  }
  const { name, home } = entryOf(uid, environment.HOME);
  const place = (variable: string, usual: string): string => {
    const given = environment[variable];
    return given !== undefined && isAbsolute(given) ? given.replace(/(?<=.)\/+$/, "") : usual;
  };
  const given = ["newuidmap", "newgidmap"].every((program) => programPath(program) !== undefined);
  const ranges = (file: string, id: number): readonly IdRange[] =>
    given && existsSync(file) ? parseSubordinate(readFileSync(file, "utf8"), name, id) : [];
  return {
    name,
    uid,
    gid,
    home,
    runtimeHome: place("XDG_RUNTIME_DIR", `/run/user/${uid}`),
    configHome: place("XDG_CONFIG_HOME", join(home, ".config")),
    dataHome: place("XDG_DATA_HOME", join(home, ".local/share")),
    uidMappings: mapIds(uid, ranges("/etc/subuid", uid)),
    // By the number of the user, too: groups have no entries of their own.
    gidMappings: mapIds(gid, ranges("/etc/subgid", uid)),
  };
}

function entryOf(uid: number, given: string | undefined): Pick<User, "name" | "home"> {
  let entry: { readonly username: string; readonly homedir: string } | undefined;
  try {
    entry = userInfo();
  } catch {
    // It has no entry in passwd(5).
  }
  const home = given ?? entry?.homedir ?? "";
  if (isAbsolute(home) && existsSync(home)) return { name: entry?.username ?? String(uid), home: realpathSync(home) };
  throw new KeelsonError("E_USAGE", "--user needs a home directory, and there is none", {
    hint: "Set HOME to a directory of yours.",
  });
}
