import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { builtProgram } from "./program.ts";
import { run } from "./run.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";

/** How one run of the program ended. */
export interface Ran {
  /** 128 and the signal's number when a signal ended it, as a shell says. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What --json says of a failure. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** A host that is nothing but a directory: what `--root` is given. */
export interface Host {
  readonly root: string;
  /** Where a path of the host is. */
  path(path: string): string;
  read(path: string): string;
  has(path: string): boolean;
  /** Writes a file, and makes the directories above it. */
  write(path: string, content: string | Uint8Array): void;
  snapshot(): Promise<Snapshot>;
  /** Runs `keelson --root ROOT ARGS...` to its end, whatever that is. */
  keelson(...args: readonly string[]): Promise<Ran>;
  /** The same with --json; the answer, which has to be the only thing on standard output, of a run that has to succeed. */
  answer<T = Answer>(...args: readonly string[]): Promise<T>;
  /** The answer of `keelson --json plan ARGS...`, which has to find something to do. */
  plan(...args: readonly string[]): Promise<Answer>;
  /** The same for a run that has to fail, with this exit status, and leave every byte of the root as it was. */
  refused(status: number, ...args: readonly string[]): Promise<Failure>;
}

/** The keys of answers that tests look at. */
export interface Answer {
  readonly name: string;
  readonly digest: string;
  readonly id: string;
  readonly unit: string | null;
  readonly values: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly changes: readonly { readonly kind: string; readonly path: string | null; readonly text: string }[];
  readonly kept: readonly string[];
  readonly hostFiles: readonly { readonly path: string; readonly sha256: string | null; readonly foreign: boolean }[];
}

/**
 * Makes a host with Debian's runc and an empty /etc. When the test is over, `ostree fsck` has to find its store in order,
 * if it has one, and then the host is gone.
 */
export async function makeHost(parent = tmpdir()): Promise<Host> {
  const root = await mkdtemp(join(parent, "keelson-host-"));
  onTestFinished(async () => {
    await checkStore(root).finally(() => rm(root, { recursive: true, force: true }));
  });
  await chmod(root, 0o755);
  for (const directory of ["etc", "usr/sbin", "var/lib"]) await mkdir(join(root, directory), { recursive: true });
  await copyFile("/usr/sbin/runc", join(root, "usr/sbin/runc"));
  return hostAt(root);
}

/** Throws what `ostree fsck` says of the store below `root`. */
export async function checkStore(root: string): Promise<void> {
  const repository = join(root, "var/lib/keelson/repo");
  if (!existsSync(repository)) return;
  await run("ostree", "fsck", "-q", `--repo=${repository}`);
  // Made by ostree itself.
  await rm(join(repository, "tmp/cache"), { recursive: true, force: true });
}

/** The host that is this directory. */
export function hostAt(root: string): Host {
  const host: Host = {
    root,
    path: (path) => join(root, path),
    read: (path) => readFileSync(join(root, path), "utf8"),
    has: (path) => existsSync(join(root, path)),
    write(path, content) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    },
    snapshot: () => takeSnapshot(root, (path) => steadyContent(root, path)),
    keelson: async (...args) => runKeelson(["--root", root, ...args]),
    async answer(...args) {
      const { status, stdout, stderr } = await host.keelson("--json", ...args);
      expect(status, stderr).toBe(0);
      return JSON.parse(stdout);
    },
    async plan(...args) {
      const { status, stdout, stderr } = await host.keelson("--json", "plan", ...args);
      expect(status, stderr).toBe(10);
      return JSON.parse(stdout);
    },
    async refused(status, ...args) {
      const before = await host.snapshot();
      const ran = await host.keelson("--json", ...args);
      expect(ran.status, ran.stderr).toBe(status);
      expect(await host.snapshot()).toEqual(before);
      return failureOf(ran);
    },
  };
  return host;
}

/** What a failed run with --json says on standard output. */
export function failureOf(ran: Ran): Failure {
  const document = JSON.parse(ran.stdout);
  expect(Object.keys(document)).toEqual(["error"]);
  expect(Object.keys(document.error)).toEqual(["code", "message", "hint"]);
  return document.error;
}

/** Runs the built program to its end. Nothing of this machine's user is read. */
export async function runKeelson(
  args: readonly string[],
  options: { readonly environment?: NodeJS.ProcessEnv; readonly cwd?: string; readonly program?: string } = {},
): Promise<Ran> {
  const program = options.program ?? (await builtProgram());
  return runToEnd(program, args, { cwd: options.cwd ?? "/", env: { ...environment, ...options.environment } });
}

/** The environment of every run: no home, so no credentials. */
export const environment: NodeJS.ProcessEnv = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/nonexistent",
};

/** A run of the built program that has begun. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
}

/** Starts the built program, for tests that do something to it while it runs. */
export async function startKeelson(args: readonly string[]): Promise<Running> {
  return begin(await builtProgram(), args, { cwd: "/", env: environment });
}

/** Runs any program to its end, without a shell. */
export function runToEnd(program: string, args: readonly string[], options: SpawnOptions = {}): Promise<Ran> {
  return begin(program, args, options).ended;
}

function begin(program: string, args: readonly string[], options: SpawnOptions): Running {
  const child = spawn(program, [...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code, signal]: readonly (number | NodeJS.Signals | null)[]) => {
    const status = typeof code === "number" ? code : 128 + constants.signals[signal as NodeJS.Signals];
    return { status, stdout, stderr };
  });
  return { child, ended };
}

const moments = /"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"/g;
const uuids = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;

/** Records hold the time and a UUID; the lock file says who had it last. */
async function steadyContent(root: string, path: string): Promise<string | undefined> {
  if (!path.startsWith("var/lib/keelson/")) return undefined;
  if (path === "var/lib/keelson/lock") return "";
  if (!/\/(?:deployment\.json|config\.json|index\.json|outcome\.json)$/.test(path)) return undefined;
  return readFileSync(join(root, path), "utf8").replace(moments, "MOMENT").replace(uuids, "UUID");
}
