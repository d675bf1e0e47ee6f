import { dirname } from "node:path";
import { expect } from "vitest";
import type { Result } from "../bed/nspawn.ts";
import type { Host } from "./host.ts";

/** Somebody other than root on a booted host. */
export interface HostUser {
  readonly directory: string;
  /** The built program, where everybody can read it. */
  readonly program: string;
  /** Runs a program as that user, in a session of its own if there is one. */
  run(argv: readonly string[]): Promise<Result>;
  /** The same for one that has to succeed; its standard output. */
  ok(argv: readonly string[]): Promise<string>;
  /** `keelson --user ARGS...` to its end. */
  keelson(...args: readonly string[]): Promise<Result>;
  /** The same for one that has to succeed. */
  succeed(...args: readonly string[]): Promise<Result>;
  systemctl(...args: readonly string[]): Promise<string>;
  /** Properties of a service of that user. */
  show(name: string, ...properties: readonly string[]): Promise<Readonly<Record<string, string>>>;
  /** The lines of the maps of a service's first process, blanks as one. */
  maps(name: string): Promise<Readonly<Record<"uid_map" | "gid_map", readonly string[]>>>;
  /** Starts the service manager of that user, with this boot and every other one. */
  login(): Promise<void>;
  /** Returns when that manager has started all that it starts by itself. */
  wait(): Promise<void>;
  /** What is in the home: names, kinds, modes, owners. */
  home(): Promise<string>;
}

/** Makes a user with a home, and with subordinate ids as Debian gives them. */
export async function addUser(host: Host, name: string, uid: number): Promise<HostUser> {
  const { machine } = host;
  const program = await copyProgram(host);
  const directory = `/home/${name}`;
  await machine.ok(["useradd", "--create-home", "--uid", String(uid), name]);
  // Which programs make, and leave, for all others.
  await machine.ok(["install", "-d", "-o", name, "-g", name, `${directory}/.local`, `${directory}/.local/share`]);
  const as = ["setpriv", "--reuid", name, "--regid", name, "--init-groups"];
  const environment = [`HOME=${directory}`, `XDG_RUNTIME_DIR=/run/user/${uid}`];
  const user: HostUser = {
    directory,
    program,
    run: (argv) => machine.run([...as, "env", ...environment, ...argv]),
    ok: (argv) => machine.ok([...as, "env", ...environment, ...argv]),
    keelson: (...args) => user.run([program, "--user", ...args]),
    async succeed(...args) {
      const result = await user.keelson(...args);
      expect(result.status, result.stderr).toBe(0);
      return result;
    },
    systemctl: (...args) => user.ok(["systemctl", "--user", "--no-pager", ...args]),
    async show(service, ...properties) {
      const text = await user.systemctl("show", `${service}.service`, `--property=${properties.join(",")}`);
      const lines = text.split("\n").filter(Boolean);
      return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
    },
    async maps(service) {
      const { MainPID: main = "" } = await user.show(service, "MainPID");
      const read = async (file: string): Promise<readonly string[]> => {
        const text = await machine.ok(["cat", `/proc/${main}/${file}`]);
        return text
          .trim()
          .split("\n")
          .map((line) => line.trim().replace(/\s+/g, " "));
      };
      return { uid_map: await read("uid_map"), gid_map: await read("gid_map") };
    },
    async login() {
      await machine.ok(["loginctl", "enable-linger", name]);
      await user.wait();
    },
    async wait() {
      await machine.ok(["systemctl", "start", `user@${uid}.service`]);
      await user.systemctl("start", "default.target");
    },
    home: () => machine.ok(["sh", "-c", `find ${directory} -printf '%P %y %m %U:%G\\n' | sort`]),
  };
  return user;
}

/** The program, once, where everybody can read it. */
async function copyProgram({ machine, program }: Host): Promise<string> {
  const copy = "/opt/keelson-of-users";
  await machine.ok(["sh", "-c", `[ -e ${copy} ] || cp -a ${dirname(program)} ${copy}`]);
  return `${copy}/keelson`;
}
