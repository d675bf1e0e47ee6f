import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What a machine consists of. */
export interface Hardware {
  /** The directory with `vmlinuz` and `initrd`. */
  readonly home: string;
  readonly disk: string;
  /** Gets every write and flush of the disk since the machine was switched on. */
  readonly log: string;
  /** Gets what stands on the console. */
  readonly console: string;
}

/** One line that the machine has told. */
export interface Told {
  readonly name: string;
  readonly text: string;
  /** Milliseconds since it was switched on. */
  readonly at: number;
  /** How long the log was then: what it tells of was written before. */
  readonly written: number;
}

/** A machine that is on. */
export interface Machine {
  /** All that it has told so far. */
  readonly told: readonly Told[];
  /**
   * What it tells under this name, for the first time or that many times. Throws, with its console, when it ends before or
   * does not tell it in ten minutes.
   */
  until(name: string, times?: number): Promise<Told>;
  /** Cuts the power: nothing in the machine gets to know of it. */
  cut(): Promise<void>;
}

interface Waiting {
  readonly name: string;
  readonly times: number;
  readonly resolve: (told: Told) => void;
  readonly reject: (error: Error) => void;
}

const patience = 600_000;

/** Switches a machine on. */
export async function switchOn(hardware: Hardware): Promise<Machine> {
  for (const path of [hardware.log, hardware.console]) await writeFile(path, "");
  // It ends with this process, whatever that ends by.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...options(hardware)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const begun = Date.now();
  const told: Told[] = [];
  let waiting: Waiting[] = [];
  const find = (name: string, times: number): Told | undefined => told.filter((one) => one.name === name)[times - 1];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [name = "", text = "", end] = line.trim().split(" ");
    if (end !== ".") return;
    const written = statSync(hardware.log).size;
    told.push({ name, text: Buffer.from(text, "base64").toString(), at: Date.now() - begun, written });
    for (const one of waiting) {
      const found = find(one.name, one.times);
      if (found !== undefined) one.resolve(found);
    }
    waiting = waiting.filter((one) => find(one.name, one.times) === undefined);
  });
  const ended = endOf(child);
  ended.then((why) => {
    for (const { name, reject } of waiting) reject(new Error(`the machine ended before it told ${name}: ${why}`));
    waiting = [];
  });
  const until = (name: string, times: number): Promise<Told> =>
    new Promise((resolve, reject) => {
      const found = find(name, times);
      if (found !== undefined) return resolve(found);
      waiting.push({ name, times, resolve, reject });
      const late = (): void => reject(new Error(`the machine has not told ${name} in ${patience / 1000} s`));
      setTimeout(late, patience).unref();
    });
  return {
    told,
    until: (name, times = 1) =>
      until(name, times).catch(async (error: Error) => {
        child.kill("SIGKILL");
        const lines = (await readFile(hardware.console, "utf8")).split("\n").slice(-40);
        throw new Error([`${error.message}; the end of its console:`, ...lines].join("\n"));
      }),
    async cut() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Why it has ended; all that it has told is read then. */
async function endOf(child: ChildProcess): Promise<string> {
  let stderr = "";
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const [status, signal] = await once(child, "close");
  return `${signal ?? `status ${status}`} ${stderr}`.trim();
}

function options({ home, disk, log, console }: Hardware): readonly string[] {
  // What the guest flushes is in the log before it is told so. That the host could lose it is not what is tested.
  const file = (name: string, path: string): readonly string[] => [
    ...["-blockdev", `driver=file,node-name=${name}-file,filename=${path},cache.no-flush=on`],
    ...["-blockdev", `driver=raw,node-name=${name},file=${name}-file`],
  ];
  return [
    ...[
      "-accel",
      "tcg",
      "-smp",
      "1",
      "-m",
      "1024",
      "-net",
      "none",
      "-display",
      "none",
      "-no-reboot",
      "-monitor",
      "none",
    ],
    ...["-kernel", join(home, "vmlinuz"), "-initrd", join(home, "initrd"), "-append", "console=ttyS0 panic=-1"],
    ...[...file("data", disk), ...file("log", log)],
    ...["-blockdev", "driver=blklogwrites,node-name=disk,file=data,log=log,log-sector-size=512"],
    // It has a cache and says so, and the guest flushes it when that matters.
    ...["-device", "virtio-blk-pci,drive=disk,write-cache=on"],
    ...["-serial", `file:${console}`, "-chardev", "stdio,id=told,signal=off", "-serial", "chardev:told"],
  ];
}
