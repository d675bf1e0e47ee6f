import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { BuiltExample } from "../../examples/build.ts";
import { type Contract, parseContract, renameTemplate } from "../../src/contract/contract.ts";
import { controlNames, type HostfsEntry } from "../../src/contract/exports.ts";
import { renderConfig, renderText, renderTmpfiles, renderUnit } from "../../src/contract/template.ts";
import { planValues, type Values } from "../../src/contract/values.ts";
import { digestOf, hexOf } from "../../src/image/digest.ts";

/** Runs a program to its end; throws with its stderr when it fails. */
export const run = promisify(execFile);

/** An unpacked image, rendered for directories below a temporary one. */
export interface Bundle {
  readonly name: string;
  readonly directory: string;
  readonly rootfs: string;
  readonly contract: Contract;
  readonly values: Values;
  readonly unit: string;
  readonly tmpfiles: string;
  /** Where `hostfs` files go: path in the image to path on the host. */
  readonly hostPaths: ReadonlyMap<string, string>;
  /** Stand-in for the host's root: RUN_DIRECTORY and the like are below it. */
  readonly host: string;
}

/** Unpacks `example` with umoci below `home`, and writes config.json, tmpfiles directories and templated host files. */
export async function openBundle(
  example: BuiltExample,
  home: string,
  set: Readonly<Record<string, string>> = {},
): Promise<Bundle> {
  const { name } = example;
  const directory = join(home, name);
  const host = join(home, "host");
  await run("umoci", ["unpack", "--image", `${example.layout}:latest`, directory]);
  const rootfs = join(directory, "rootfs");
  const contract = await readContract(join(rootfs, "exports"));
  const values = planValues(contract.manifest, new Map(Object.entries(set)), {
    ...{ name, destdir: directory, runtime: "/usr/sbin/runc", keelson: "/usr/bin/keelson" },
    ...{
      imageName: name,
      imageId: example.digest,
      hostUid: 0,
      hostGid: 0,
      uuid: "6e0b4d3c-0a53-4d3c-9b0a-3f6a1c1e2d10",
    },
    ...{ runDirectory: join(host, "run"), confDirectory: join(host, "etc"), stateDirectory: join(host, "var/lib") },
    ...{
      execStart: "/usr/sbin/runc run example",
      execStop: "/usr/sbin/runc kill example",
      execStartPre: "",
      instance: "",
    },
    ...{ execStopPost: "", pidFile: "/run/example.pid", capabilities: await usableCapabilities() },
  });
  const { unit, config, tmpfiles } = contract;
  if (!unit || !config || !tmpfiles) throw new Error(`${name} lacks a template`);
  await writeFile(join(directory, "config.json"), renderConfig(config, values));
  const lines = renderTmpfiles(tmpfiles, values);
  await writeFile(join(directory, "tmpfiles.conf"), lines);
  for (const folder of ["run", "etc", "var/lib"]) await mkdir(join(host, folder), { recursive: true });
  await run("systemd-tmpfiles", ["--create", join(directory, "tmpfiles.conf")]);
  return {
    ...{ name, directory, rootfs, contract, values, host },
    unit: renderUnit(unit, values),
    tmpfiles: lines,
    hostPaths: new Map(contract.hostfs.map((entry) => [entry.path, hostPath(contract, values, entry.path)])),
  };
}

/** A container that runs, and what it says. */
export interface Running {
  /** Resolves when a line of its output, or a notification to systemd (as `notify: TEXT`), contains `text`. */
  waitFor(text: string): Promise<string>;
  /** Runs a program inside. */
  exec(argv: readonly string[]): Promise<string>;
  /** Sends SIGTERM unless it has ended, waits until all its processes have, and gives how long that took, in milliseconds. */
  stop(): Promise<number>;
}

/**
 * Starts a bundle with a notification socket, in two steps: `runc run` would wait for READY=1 forever if the container
 * ended before it was ready, because it does not reap the container meanwhile.
 */
export async function startBundle(bundle: { readonly name: string; readonly directory: string }): Promise<Running> {
  const { directory } = bundle;
  const id = `keelson-test-${process.pid}-${bundle.name}`;
  const runc = ["--root", join(directory, "runc")];
  const log = openLog();
  const socket = join(directory, "notify");
  await rm(socket, { force: true });
  const listener = spawn("perl", ["-e", notifyListener, socket], { stdio: ["ignore", "pipe", "inherit"] });
  log.read(listener, "notify: ");
  await log.waitFor("notify: listening");
  const env = { ...process.env, NOTIFY_SOCKET: socket };
  const create = spawn("runc", [...runc, "create", "--bundle", directory, id], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  log.read(create, "");
  // The container holds these pipes as long as it lives, so this is its end, not that of `runc create`.
  let over = false;
  const ended = once(create, "close").then(async () => {
    over = true;
    listener.kill();
    log.end(`${bundle.name} ended`);
    start.kill();
    await run("runc", [...runc, "delete", "--force", id]);
  });
  await once(create, "exit");
  const start = spawn("runc", [...runc, "start", id], { stdio: ["ignore", "pipe", "pipe"], env });
  log.read(start, "");
  return {
    waitFor: log.waitFor,
    exec: async (argv) => (await run("runc", [...runc, "exec", id, ...argv])).stdout,
    stop: async () => {
      const begin = performance.now();
      if (!over) await run("runc", [...runc, "kill", id, "TERM"]);
      await ended;
      return performance.now() - begin;
    },
  };
}

// Node has no datagram sockets of the Unix family.
const notifyListener = `
use IO::Socket::UNIX; $| = 1;
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$ARGV[0]: $!";
print "listening\\n"; print join(" ", split(/\\n/, $text)), "\\n" while defined $socket->recv($text, 4096);`;

function openLog() {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let over: string | undefined;
  const wake = (): void => {
    for (const check of waiting) check();
  };
  return {
    read: (child: ChildProcess, prefix: string): void => {
      for (const stream of [child.stdout, child.stderr]) {
        if (!stream) continue;
        createInterface(stream).on("line", (line) => {
          lines.push(prefix + line);
          wake();
        });
      }
    },
    end: (why: string): void => {
      over = why;
      wake();
    },
    waitFor: (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const line = lines.find((candidate) => candidate.includes(text));
          if (line === undefined && over === undefined) return;
          waiting.delete(check);
          if (line !== undefined) resolve(line);
          else reject(new Error(`${over} before it said "${text}":\n${lines.join("\n")}`));
        };
        waiting.add(check);
        check();
      }),
  };
}

async function readContract(exports: string): Promise<Contract> {
  const controls = new Map<string, string>();
  for (const name of await readdir(exports)) {
    if (controlNames.includes(name)) controls.set(name, await readFile(join(exports, name), "utf8"));
  }
  const hostfs = join(exports, "hostfs");
  const found = await readdir(hostfs, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = found.map((entry) => join(entry.parentPath, entry.name)).sort();
  return parseContract({ controls, hostfs: await Promise.all(paths.map((path) => readHostfs(hostfs, path))) });
}

async function readHostfs(hostfs: string, file: string): Promise<HostfsEntry> {
  const path = `/${relative(hostfs, file)}`;
  const entry = await lstat(file);
  const mode = entry.mode & 0o7777;
  if (entry.isDirectory()) return { kind: "directory", path, mode };
  if (entry.isSymbolicLink()) return { kind: "symlink", path, target: await readlink(file) };
  const content = await readFile(file);
  return {
    kind: "file",
    path,
    mode,
    size: entry.size,
    sha256: hexOf(digestOf(content)),
    text: () => content.toString("utf8"),
  };
}

function hostPath(contract: Contract, values: Values, path: string): string {
  for (const [from, to] of contract.manifest.renameFiles) {
    if (path === from || path.startsWith(`${from}/`))
      return renderText(renameTemplate(to), values) + path.slice(from.length);
  }
  return path;
}

/** What this machine may give to a container: the names of its bounding set, which can lack some of the kernel's. */
async function usableCapabilities(): Promise<readonly string[]> {
  const status = await readFile("/proc/self/status", "utf8");
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1]}`);
  return capabilityNames.flatMap((name, bit) => ((bounding >> BigInt(bit)) & 1n ? [`CAP_${name.toUpperCase()}`] : []));
}

const capabilityNames = (
  "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
  "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin " +
  "sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override " +
  "mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
).split(" ");
