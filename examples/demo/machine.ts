import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { makeCgroup } from "./machine-cgroup.ts";
import { makeDisk, removeDisk, sweepDisks } from "./machine-disk.ts";

/** What a machine is made of. */
export interface MachineOptions {
  /** Host directories seen at the same path, read only. What lies below /tmp or /run is not in the machine by itself. */
  readonly shared?: readonly string[];
  /** Host directories or files seen at another path, writable. */
  readonly binds?: readonly { readonly host: string; readonly machine: string }[];
  /** Names (without .service) of further units of the build machine that the machine shall not have. */
  readonly hidden?: readonly string[];
  /** Absolute paths of the build machine that the machine shall not have. */
  readonly without?: readonly string[];
  /** Its own network namespace with nothing but loopback; otherwise the host's, so that a registry on 127.0.0.1 is reachable. */
  readonly privateNetwork?: boolean;
  /** Milliseconds until a boot or a shutdown that does not end counts as failed. Default 60,000. */
  readonly timeout?: number;
}

export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  /** -1 for a program ended by a signal. */
  readonly status: number;
}

export interface RunOptions {
  readonly input?: string;
  readonly cwd?: string;
}

/** A booted systemd, over an overlay of the build machine's own root. */
export interface Machine {
  /** Runs a program inside as root, outside of any unit, and waits for it. It does not throw when the program fails. */
  run(argv: readonly string[], options?: RunOptions): Promise<Result>;
  /** As run, but gives stdout, and a status other than 0 throws with what the program said. */
  ok(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** The directory that holds what the machine has written and nothing else; /run and /tmp are not on its disk. */
  readonly upper: string;
  /** The machine's disk as the host sees it, without its /run and /tmp. */
  readonly root: string;
  /** The disk as it was before the machine wrote to it. */
  readonly pristine: string;
  /** What the console showed so far, all boots. */
  console(): string;
  /** A clean shutdown, then a boot of the same disk. */
  reboot(): Promise<void>;
  /** A clean shutdown; the disk stays for start. */
  shutdown(): Promise<void>;
  /** As pulling the plug; the disk stays for start. */
  kill(): Promise<void>;
  /** Boots, first or again after kill, and waits until systemd reports that start-up has ended. */
  start(): Promise<void>;
  /** Clean shutdown if it runs, then everything on the host is deleted. May be called twice. */
  stop(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  /** PID 1 of the machine, as the host counts. */
  readonly leader: number;
  readonly ended: Promise<void>;
}

/** SIGRTMIN+4: systemd's "power off". */
const powerOff = 38;

/** Makes a machine and boots it. */
export async function bootMachine(options: MachineOptions = {}): Promise<Machine> {
  const machine = openMachine(options);
  await machine.start();
  return machine;
}

/**
 * Makes a machine that is off. Needs root, systemd-nspawn, and perl for the notification socket (node has no datagram
 * sockets of that family). What dead processes left of theirs is swept first; this one's is gone when the process is.
 */
export function openMachine(options: MachineOptions = {}): Machine {
  sweepDisks();
  const home = makeDisk(options.hidden ?? [], options.without ?? []);
  const erase = (): void => removeDisk(home);
  process.once("exit", erase);
  const power = openPower(home, options);
  const stop = async (): Promise<void> => {
    await power.off(powerOff);
    erase();
    process.removeListener("exit", erase);
  };
  const start = async (): Promise<void> => {
    try {
      await power.on();
    } catch (error) {
      await stop();
      throw new Error(`the machine did not boot; its console:\n${power.console()}`, { cause: error });
    }
  };
  const run: Machine["run"] = (argv, runOptions) => enter(power.leader(), argv, runOptions ?? {});
  return {
    run,
    ok: async (argv, runOptions) => {
      const { stdout, stderr, status } = await run(argv, runOptions);
      if (status !== 0) throw new Error(`${argv.join(" ")} ended with ${status}:\n${stderr}${stdout}`);
      return stdout;
    },
    upper: join(home, "disk/upper"),
    root: join(home, "root"),
    pristine: join(home, "pristine"),
    console: power.console,
    reboot: () => power.off(powerOff).then(start),
    shutdown: () => power.off(powerOff),
    kill: () => power.off("SIGKILL"),
    start,
    stop,
  };
}

/** The switch of a machine. off sends a signal to its PID 1 and waits until all of it has ended. */
function openPower(home: string, options: MachineOptions) {
  const timeout = options.timeout ?? 60_000;
  let running: Running | undefined;
  let log = "";
  const show = (text: string): void => {
    log += text;
  };
  return {
    console: () => log,
    leader: () => {
      if (running === undefined) throw new Error("the machine is off");
      return running.leader;
    },
    on: async () => {
      running ??= await boot(home, options, timeout, show);
    },
    off: async (signal: number | NodeJS.Signals) => {
      if (running === undefined) return;
      const { leader, child, ended } = running;
      process.kill(leader, signal);
      const slow = setTimeout(() => child.kill("SIGKILL"), timeout);
      await ended;
      clearTimeout(slow);
      running = undefined;
    },
  };
}

async function boot(
  home: string,
  options: MachineOptions,
  timeout: number,
  show: (text: string) => void,
): Promise<Running> {
  const socket = join(home, "notify");
  rmSync(socket, { force: true });
  const listener = spawn("perl", ["-MIO::Socket::UNIX", "-e", listen, socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: listener.stdout });
  const messages = lines[Symbol.asyncIterator]();
  try {
    await messages.next();
    const program = ["setpriv", "--pdeathsig", "KILL", "systemd-nspawn", ...nspawnOptions(home, options)];
    const child = spawn("sh", ["-c", enterCgroup, makeCgroup(basename(home)), ...program], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, NOTIFY_SOCKET: socket, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" },
    });
    child.stdout.setEncoding("utf8").on("data", show);
    child.stderr.setEncoding("utf8").on("data", show);
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    void ended.then(() => listener.kill());
    const slow = setTimeout(() => child.kill("SIGKILL"), timeout);
    let leader: number | undefined;
    for (let message = await messages.next(); message.done !== true; message = await messages.next()) {
      const pid = /^X_NSPAWN_LEADER_PID=(\d+)/.exec(message.value)?.[1];
      if (pid !== undefined) leader = Number(pid);
      if (message.value !== "READY=1" || leader === undefined) continue;
      clearTimeout(slow);
      return { child, leader, ended };
    }
    clearTimeout(slow);
    throw new Error("systemd-nspawn ended, or was not ready in time");
  } finally {
    lines.close();
    listener.kill();
  }
}

/** Prints each line of each message that comes in at the socket named by its argument; first an empty line: it listens. */
const listen = `
  $| = 1;
  my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$ARGV[0]: $!";
  print "\\n";
  while (defined $s->recv(my $m, 8192)) { print "$m\\n" }`;

const enterCgroup = 'echo $$ >"$0/cgroup.procs" && exec "$@"';

function nspawnOptions(home: string, options: MachineOptions): string[] {
  return [
    ...[
      "--quiet",
      "--boot",
      `--directory=${join(home, "root")}`,
      `--machine=${basename(home)}`,
      "--register=no",
      "--keep-unit",
    ],
    ...[
      "--link-journal=no",
      "--system-call-filter=@keyring bpf",
      "--capability=all",
      "--console=pipe",
      "--notify-ready=yes",
    ],
    ...(options.privateNetwork === true ? ["--private-network"] : []),
    ...(options.shared ?? []).map((path) => `--bind-ro=${path}`),
    ...(options.binds ?? []).map(({ host, machine }) => `--bind=${host}:${machine}`),
  ];
}

function enter(leader: number, argv: readonly string[], options: RunOptions): Promise<Result> {
  const inside = [
    "env",
    "-i",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
  ];
  const cwd = ["-C", options.cwd ?? "/"];
  return new Promise((resolve, reject) => {
    const child = spawn("nsenter", ["-t", String(leader), "-a", "env", ...cwd, ...inside, ...argv]);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("error", reject);
    child.once("close", (status) => resolve({ stdout, stderr, status: status ?? -1 }));
    // A program may end without having read what it is given.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}
