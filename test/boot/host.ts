import { dirname, resolve } from "node:path";
import { expect } from "vitest";
import { registryHost, serveImages } from "../../examples/demo/registry.ts";
import { bootMachine, type Machine, type Result } from "../bed/nspawn.ts";
import { builtProgram } from "../bed/program.ts";

const repository = resolve(import.meta.dirname, "../..");

/** What examples and their images put on a host; the build machine may have it from elsewhere. */
const taken = [
  ...["/etc/containerd", "/etc/etcd", "/etc/keelson", "/usr/local/bin/containerd-ctr", "/usr/local/bin/etcdctl"],
  ...["/var/lib/containerd", "/var/lib/etcd", "/var/lib/hello-world", "/var/lib/keelson"],
];

/** A booted machine with the built keelson and a registry on a loopback that nothing else is on. */
export interface Host {
  readonly machine: Machine;
  /** The path of the built program. */
  readonly program: string;
  /** Runs the built program to its end. */
  keelson(...args: readonly string[]): Promise<Result>;
  /** Installs what the registry has by this name, which has to succeed. */
  install(name: string, ...options: readonly string[]): Promise<Result>;
  /** As keelson with --json: the document on standard output. */
  answer(...args: readonly string[]): Promise<Record<string, unknown>>;
  /** Starts, stops and so on; has to succeed. */
  systemctl(...args: readonly string[]): Promise<string>;
  /** Properties of a unit, as `systemctl show` prints them. */
  show(unit: string, ...properties: readonly string[]): Promise<Readonly<Record<string, string>>>;
  put(path: string, text: string): Promise<void>;
  /** A clean shutdown and a boot, after which the registry is there again. */
  reboot(): Promise<void>;
  /** The same after the plug was pulled. */
  cutPower(): Promise<void>;
}

/** Boots a host whose registry holds `images`: the name to give each, and its reference as skopeo and keelson take it. */
export async function bootHost(images: Readonly<Record<string, { readonly reference: string }>>): Promise<Host> {
  const program = await builtProgram();
  const references = Object.entries(images).map(([name, { reference }]) => [name, reference] as const);
  const layouts = references.map(([, reference]) => dirname(reference.replace(/^oci:(.*):[^:]*$/, "$1")));
  const machine = await bootMachine({
    shared: [repository, ...new Set(layouts)],
    privateNetwork: true,
    without: taken,
  });
  const serve = (): Promise<void> => serveImages(machine, Object.fromEntries(references));
  try {
    await serve();
  } catch (error) {
    await machine.stop();
    throw error;
  }
  return hostOf(machine, program, serve);
}

function hostOf(machine: Machine, program: string, serve: () => Promise<void>): Host {
  const host: Host = {
    machine,
    program,
    keelson: (...args) => machine.run([program, ...args]),
    async install(name, ...options) {
      const reference = `${registryHost}/${name}`;
      const result = await host.keelson("install", "--system", "--tls-verify=false", ...options, reference);
      expect(result.status, result.stderr).toBe(0);
      return result;
    },
    async answer(...args) {
      const { stdout } = await host.keelson("--json", ...args);
      return JSON.parse(stdout);
    },
    systemctl: (...args) => machine.ok(["systemctl", "--no-pager", ...args]),
    async show(unit, ...properties) {
      const text = await host.systemctl("show", unit, `--property=${properties.join(",")}`);
      return Object.fromEntries(text.split("\n").filter(Boolean).map(splitProperty));
    },
    put: async (path, text) => {
      await machine.ok(["mkdir", "-p", dirname(path)]);
      await machine.ok(["tee", path], { input: text });
    },
    reboot: async () => {
      await machine.reboot();
      await serve();
    },
    cutPower: async () => {
      await machine.kill();
      await machine.start();
      await serve();
    },
  };
  return host;
}

function splitProperty(line: string): readonly [string, string] {
  const equals = line.indexOf("=");
  return [line.slice(0, equals), line.slice(equals + 1)];
}

/** A reference to what the registry holds by a name. */
export const inRegistry = (name: string): string => `${registryHost}/${name}`;

/** Whether this machine's kernel hands any cgroup controller to the machines that are booted on it. */
export async function hasController(host: Host, controller: string): Promise<boolean> {
  return (await host.machine.ok(["cat", "/sys/fs/cgroup/cgroup.controllers"])).split(/\s/).includes(controller);
}

/** Process ids to the cgroup each is in, of everything below the unit's own cgroup. */
export async function processesOf(host: Host, name: string): Promise<Readonly<Record<string, string>>> {
  const { ControlGroup: group } = await host.show(`${name}.service`, "ControlGroup");
  const list = `cd /sys/fs/cgroup && find '.${group}' -name cgroup.procs -exec grep -H . {} +`;
  const lines = (await host.machine.ok(["sh", "-c", list])).split("\n").filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const [path = "", pid = ""] = line.split(":");
      return [pid, path.slice(1).replace("/cgroup.procs", "")];
    }),
  );
}
