import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackDebian } from "./debian-root.ts";
import { run } from "./run.ts";

/** What a machine was asked, by a name, as lines for its shell. */
export type Questions = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

/** A bootable Debian on a disk of its own. */
export interface Disk {
  /**
   * Boots to multi-user.target, asks one question after the other, two minutes each, and powers off. Throws, with the console,
   * when that takes longer than `seconds` (default 600) or an answer is missing.
   */
  boot<Name extends string>(
    questions: Readonly<Record<Name, string>>,
    seconds?: number,
  ): Promise<Readonly<Record<Name, Answer>>>;
  remove(): Promise<void>;
}

/** The questions are a second disk, so that each boot can have its own. */
const askUnit = `[Unit]
After=multi-user.target
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
ExecStart=/bin/sh /dev/vdb
StandardOutput=file:/dev/ttyS1
`;

const ask = `ask() {
  output=$(timeout 120 sh -c "$2" 2>&1)
  status=$?
  printf '{"name":"%s","status":%d,"output":"%s"}\\n' "$1" "$status" "$(printf %s "$output" | base64 -w0)"
}
`;

/**
 * Makes a disk with Debian 12, its kernel, runc and crun; `prepare` gets the root directory before it becomes one. With
 * `ownVar` what is below /var is on a second disk. Needs root, mmdebstrap, e2fsprogs and qemu-system-x86; the first call on a
 * machine takes a minute and the network.
 */
export async function makeDisk(
  prepare: (root: string) => Promise<void>,
  options: { readonly ownVar?: boolean } = {},
): Promise<Disk> {
  const home = await mkdtemp(join(tmpdir(), "keelson-qemu-"));
  const remove = (): Promise<void> => rm(home, { recursive: true, force: true });
  try {
    const root = join(home, "root");
    await mkdir(root);
    await unpackDebian(root);
    for (const name of ["vmlinuz", "initrd.img"]) await copyFile(join(root, name), join(home, name));
    const more = options.ownVar ? "/dev/vdc /var ext4 defaults 0 2\n" : "";
    await writeFile(join(root, "etc/fstab"), `/dev/vda / ext4 defaults 0 1\n${more}`);
    await writeFile(join(root, "etc/machine-id"), "");
    await writeFile(join(root, "etc/systemd/system/ask.service"), askUnit);
    const wanted = join(root, "etc/systemd/system/multi-user.target.wants");
    await mkdir(wanted, { recursive: true });
    await symlink("../ask.service", join(wanted, "ask.service"));
    await prepare(root);
    if (options.ownVar) {
      await run("mkfs.ext4", "-q", "-d", join(root, "var"), join(home, "var.img"), "1G");
      await rm(join(root, "var"), { recursive: true });
      await mkdir(join(root, "var"));
    }
    await run("mkfs.ext4", "-q", "-d", root, join(home, "disk.img"), "2G");
    await rm(root, { recursive: true });
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    boot: async (questions, seconds = 600) => {
      const { answers, complete } = await ended(home, questions, seconds);
      if (complete) return answers as Readonly<Record<keyof typeof questions, Answer>>;
      throw new Error(`only ${Object.keys(answers).length} answers came; the console:\n${await consoleOf(home)}`);
    },
    remove,
  };
}

interface Ended {
  readonly answers: Readonly<Record<string, Answer>>;
  readonly complete: boolean;
}

async function ended(home: string, questions: Questions, seconds: number): Promise<Ended> {
  const script = [ask, ...Object.entries(questions).map(([name, lines]) => `ask '${name}' ${quoted(lines)}\n`)].join(
    "",
  );
  // A drive is whole sectors.
  await writeFile(join(home, "ask.sh"), script.padEnd(Math.ceil(script.length / 512) * 512, "\n"));
  // From outside, so that no machine outlives its time even when this process does not live to see it.
  const limit = ["timeout", "--signal=KILL", String(seconds), "qemu-system-x86_64"] as const;
  await run(...limit, ...machineOptions(home)).catch(async (cause: unknown) => {
    throw new Error(`the machine did not power off; its console:\n${await consoleOf(home)}`, { cause });
  });
  const lines = (await readFile(join(home, "answers"), "utf8")).split("\n").filter((line) => line.startsWith("{"));
  const answers = Object.fromEntries(
    lines.map((line) => {
      const { name, status, output } = JSON.parse(line);
      return [name, { status, output: Buffer.from(output, "base64").toString() }];
    }),
  );
  return { answers, complete: Object.keys(questions).every((name) => name in answers) };
}

function machineOptions(home: string): readonly string[] {
  const drive = (name: string, more = ""): string => `file=${join(home, name)},format=raw,if=virtio${more}`;
  const more = existsSync(join(home, "var.img")) ? ["-drive", drive("var.img", ",cache=unsafe")] : [];
  return [
    ...["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-net", "none", "-display", "none", "-no-reboot"],
    ...["-kernel", join(home, "vmlinuz"), "-initrd", join(home, "initrd.img")],
    ...["-append", "root=/dev/vda rw console=ttyS0 panic=-1"],
    ...["-drive", drive("disk.img", ",cache=unsafe"), "-drive", drive("ask.sh", ",readonly=on"), ...more],
    ...["-serial", `file:${join(home, "console")}`, "-serial", `file:${join(home, "answers")}`, "-monitor", "none"],
    ...["-device", "virtio-rng-pci"],
  ];
}

function consoleOf(home: string): Promise<string> {
  return readFile(join(home, "console"), "utf8");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
