import type { IdMapping } from "./id-maps.ts";

/** Where things are put on a host: for the host as a whole, or for one of its users. All paths are as the host names them. */
export interface Places {
  /** Where units of the administrator, and of keelson, are. */
  readonly units: string;
  /** systemd's unit path in its order, generators and transient units included. */
  readonly unitPath: readonly string[];
  /** Where lines for systemd-tmpfiles are. */
  readonly tmpfiles: string;
  /** Where keelson.conf, overrides and stacks are. */
  readonly configuration: string;
  /** What RUN_DIRECTORY, CONF_DIRECTORY and STATE_DIRECTORY are. */
  readonly run: string;
  readonly conf: string;
  readonly state: string;
  /** Where what could be found out anew is kept. */
  readonly cache: string;
  /** Whose services these are; absent for those of the host. */
  readonly user?: User;
}

/** Somebody other than root. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** XDG_RUNTIME_DIR, XDG_CONFIG_HOME and XDG_DATA_HOME, or what stands for them. */
  readonly runtimeHome: string;
  readonly configHome: string;
  readonly dataHome: string;
  /** The ids of this user's containers. */
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/** Those of the host; /lib for hosts where it is not /usr/lib. */
export const hostPlaces: Places = {
  units: "/etc/systemd/system",
  unitPath: [
    ...["/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"],
    ...["/run/systemd/generator.early", "/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system"],
    ...["/run/systemd/system.attached", "/run/systemd/generator", "/usr/local/lib/systemd/system"],
    ...["/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/generator.late"],
  ],
  tmpfiles: "/etc/tmpfiles.d",
  configuration: "/etc/keelson",
  run: "/run",
  conf: "/etc",
  state: "/var/lib",
  cache: "/var/cache",
};

/** Those of a user, where systemd's manager of that user and systemd-tmpfiles --user look. */
export function userPlaces(user: User): Places {
  const { runtimeHome, configHome, dataHome } = user;
  return {
    units: `${configHome}/systemd/user`,
    unitPath: [
      ...[`${configHome}/systemd/user.control`, `${runtimeHome}/systemd/user.control`],
      ...[`${runtimeHome}/systemd/transient`, `${runtimeHome}/systemd/generator.early`, `${configHome}/systemd/user`],
      ...["/etc/systemd/user", `${runtimeHome}/systemd/user`, "/run/systemd/user", `${runtimeHome}/systemd/generator`],
      ...[`${dataHome}/systemd/user`, "/usr/local/share/systemd/user", "/usr/share/systemd/user"],
      ...["/usr/local/lib/systemd/user", "/usr/lib/systemd/user", `${runtimeHome}/systemd/generator.late`],
    ],
    tmpfiles: `${configHome}/user-tmpfiles.d`,
    configuration: `${configHome}/keelson`,
    run: runtimeHome,
    conf: configHome,
    state: dataHome,
    cache: `${user.home}/.cache`,
    user,
  };
}

/** Whether a path is strictly below a directory. */
export function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`) && !path.split("/").includes("..");
}

/** Whether a user's containers may have files at this path: it is the user's own. */
export function isUsers(path: string, { home, runtimeHome, configHome, dataHome }: User): boolean {
  return [home, runtimeHome, configHome, dataHome].some((directory) => isBelow(path, directory));
}
