import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import type { Deployment } from "../plan/deployment.ts";
import { runtimeId } from "../plan/name.ts";
import { checkout } from "../store/checkout.ts";
import { namesIn } from "../store/directory.ts";
import { onFile } from "../store/name-file.ts";
import { removeTree } from "../store/remove.ts";
import type { Repository } from "../store/repository.ts";
import { removeIfEmpty } from "../store/store.ts";
import { runAttached } from "./attached.ts";
import { programPath, runProgram } from "./program.ts";
import type { Systemd } from "./systemd.ts";

/** A bundle that is run once and thrown away. */
export interface OnceBundle {
  readonly path: string;
  readonly deployment: Deployment;
}

const mountTimeout = 30_000;

/** Writes the bundle below `directory`, under the number of this process. */
export function writeOnceBundle(
  directory: string,
  deployment: Deployment,
  tree: DirectoryNode,
  repository: Repository,
): OnceBundle {
  const path = join(directory, String(process.pid));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  checkout(repository, tree, join(path, "image"));
  for (const name of ["rootfs", "above"]) mkdirSync(join(path, name));
  onFile(path, () => {
    writeFileSync(join(path, "config.json"), deployment.config, { mode: 0o600 });
    if (deployment.tmpfiles !== undefined) writeFileSync(join(path, "tmpfiles.conf"), deployment.tmpfiles.text);
  });
  return { path, deployment };
}

/**
 * Runs the bundle to its end, this terminal its own, and removes it; the exit status. What the container writes to its root
 * goes to a layer above the image's files, which belong to the store.
 */
export async function runOnce(bundle: OnceBundle, systemd: Systemd, signal: AbortSignal): Promise<number> {
  const { path, deployment } = bundle;
  const id = `${runtimeId(deployment.name)}-${process.pid}`;
  const tmpfiles = existsSync(join(path, "tmpfiles.conf")) ? join(path, "tmpfiles.conf") : undefined;
  const mounts: string[] = [];
  try {
    if (tmpfiles !== undefined) await systemd.tmpfiles("create", tmpfiles);
    await mountRoot(path, mounts);
    return await runAttached(deployment.runtime, ["run", "--bundle", path, id], signal);
  } finally {
    for (const mount of mounts.toReversed()) await runMount("umount", [mount]);
    if (tmpfiles !== undefined) await systemd.tmpfiles("remove", tmpfiles);
    removeTree(path);
    if (removeIfEmpty(dirname(path))) removeIfEmpty(dirname(dirname(path)));
  }
}

/** The upper layer is on the store's file system, or in memory where that cannot carry one: an overlay itself, say. */
async function mountRoot(path: string, mounts: string[]): Promise<void> {
  const above = join(path, "above");
  const root = join(path, "rootfs");
  const mountOverlay = async (): Promise<void> => {
    for (const name of ["upper", "work"]) mkdirSync(join(above, name), { recursive: true });
    const layers = `lowerdir=${join(path, "image")},upperdir=${join(above, "upper")},workdir=${join(above, "work")}`;
    await runMount("mount", ["-t", "overlay", "overlay", "-o", layers, root]);
    mounts.push(root);
  };
  try {
    await mountOverlay();
  } catch {
    await runMount("mount", ["-t", "tmpfs", "-o", "mode=700", "tmpfs", above]);
    mounts.push(above);
    await mountOverlay();
  }
}

/** The bundles whose process is gone, as paths: the directory itself when it holds no other. */
export function leftBundles(directory: string): readonly string[] {
  const bundles = namesIn(directory);
  const left = bundles.filter((entry) => !existsSync(`/proc/${entry}`));
  if (left.length < bundles.length) return left.map((entry) => join(directory, entry));
  return existsSync(directory) ? [directory] : [];
}

/** Removes them. */
export function sweepOnce(directory: string): void {
  for (const path of leftBundles(directory)) removeTree(path);
}

async function runMount(name: string, argv: readonly string[]): Promise<void> {
  const program = programPath(name);
  const result = program === undefined ? undefined : await runProgram(program, argv, mountTimeout);
  if (result?.status === 0) return;
  throw new KeelsonError(
    "E_RUNTIME",
    `${name} ${argv.at(-1)}: ${result?.stderr.trim() ?? "there is no such program"}`,
    {
      hint: "An image that runs once needs mount(8) and an overlay file system for what it writes.",
    },
  );
}
