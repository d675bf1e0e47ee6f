import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { shownPath } from "../layer/path.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import type { Deployment, HostFile } from "../plan/deployment.ts";
import { probeFile } from "../plan/readiness.ts";
import { checkout } from "../store/checkout.ts";
import { namesIn } from "../store/directory.ts";
import { syncDirectory, syncFileSystem } from "../store/durable.ts";
import { onFile } from "../store/name-file.ts";
import { removeTree } from "../store/remove.ts";
import type { Repository } from "../store/repository.ts";
import { goingSuffix } from "./generations.ts";
import type { HostRoot } from "./root.ts";

/** A container as found on disk: its current deployment, or why that cannot be read. */
export type InstalledContainer =
  | { readonly kind: "installed"; readonly name: string; readonly deployment: Deployment }
  | { readonly kind: "broken"; readonly name: string; readonly reason: string };

/** Every container below `directory` that has a current deployment, by name. One that is broken hides no other. */
export function readContainers(directory: string): readonly InstalledContainer[] {
  return namesIn(directory)
    .toSorted()
    .map((name) => readContainer(directory, name))
    .filter((container) => container !== undefined);
}

/** undefined when no container of that name is installed; what no command has finished is not. */
export function readContainer(directory: string, name: string): InstalledContainer | undefined {
  try {
    const current = readlinkSync(join(directory, name, "current"));
    const deployment: Deployment = JSON.parse(readFileSync(join(directory, name, current, "deployment.json"), "utf8"));
    if (deployment.schema !== 1 || deployment.name !== name)
      throw new Error("deployment.json is not of this container");
    return { kind: "installed", name, deployment };
  } catch (error) {
    const code = errnoOf(error);
    // That says something about who asks, not about the container.
    if (code === "EACCES" || code === "EPERM") throw error;
    if ((code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL") && !hasCurrent(directory, name))
      return undefined;
    return { kind: "broken", name, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The current deployment of `name`. Throws E_NOT_FOUND, and E_STORE when it cannot be read. */
export function readCurrent(directory: string, name: string): Deployment {
  const container = readContainer(directory, name);
  if (container?.kind === "installed") return container.deployment;
  if (container === undefined) {
    throw new KeelsonError("E_NOT_FOUND", `no container ${shownPath(name)} is installed`, {
      hint: "keelson list shows what is installed.",
    });
  }
  throw new KeelsonError("E_STORE", `the deployment of ${name} cannot be read: ${container.reason}`, {
    hint: `Look at ${directory}/${name}; its current link names the deployment.`,
  });
}

/** The number the next deployment of `name` gets. */
export function nextGeneration(directory: string, name: string): number {
  const numbers = namesIn(join(directory, name)).map((entry) => Number.parseInt(entry, 10));
  return Math.max(0, ...numbers.filter(Number.isInteger)) + 1;
}

/** What a deployment's tree is made of. */
export interface DeploymentSource {
  readonly tree: DirectoryNode;
  readonly repository: Repository;
  /** Puts what is staged of it into the store, if anything is: no deployment is on the disk without its image. */
  publish(): void;
}

/**
 * Writes a deployment: tree, config.json and record beside their place, all of it synced, then renamed. Until something
 * points at it, it is garbage. The tree is made before its objects are published, while they are on their way to the medium.
 * Of host files in a directory of the host it keeps copies, as they may be others by the time somebody goes back to it.
 * Throws what checkout and publish() throw; nothing is left then.
 */
export function stageDeployment(
  root: HostRoot,
  directory: string,
  deployment: Deployment,
  { tree, repository, publish }: DeploymentSource,
): void {
  const place = join(directory, deployment.name, String(deployment.generation));
  const beside = `${place}.new`;
  mkdirSync(join(directory, deployment.name), { recursive: true, mode: 0o700 });
  try {
    removeTree(beside);
    mkdirSync(beside, { mode: 0o700 });
    if (deployment.rootfs === undefined) checkout(repository, tree, join(beside, "rootfs"));
    else symlinkSync(deployment.rootfs, join(beside, "rootfs"));
    const kept = { ...deployment, hostFiles: deployment.hostFiles.map((file) => keptFile(file, root, place, beside)) };
    writePart(join(beside, "config.json"), deployment.config);
    if (deployment.service?.probe !== undefined) writePart(join(beside, probeFile), deployment.service.probe);
    writePart(join(beside, "deployment.json"), `${JSON.stringify(kept, undefined, 2)}\n`);
    publish();
    syncFileSystem(beside);
    renameSync(beside, place);
    syncDirectory(join(directory, deployment.name));
  } catch (error) {
    removeTree(beside);
    throw error;
  }
}

/** Writes a file that is synced with the whole deployment. */
function writePart(path: string, text: string): void {
  onFile(path, () => writeFileSync(path, text, { mode: 0o600 }));
}

/** Copies the file, if it is in a directory of the host, into the deployment that is to be at `place`. */
function keptFile(file: HostFile, root: HostRoot, place: string, beside: string): HostFile {
  if (file.kind !== "file" || file.content.kind !== "path") return file;
  const name = join("files", file.sha256);
  mkdirSync(join(beside, "files"), { recursive: true, mode: 0o700 });
  copyFileSync(root.bytes(file.content.path), join(beside, name));
  return { ...file, content: { kind: "path", path: join(place, name).slice(root.prefix.length) } };
}

/**
 * What no command has finished, as paths: names without a current deployment, deployments beside their place, and those
 * newer than the current one that were never switched to, which have no outcome.
 */
export function unfinishedDeployments(directory: string): readonly string[] {
  return namesIn(directory).flatMap((name) => {
    const container = join(directory, name);
    if (!hasCurrent(directory, name)) return [container];
    return namesIn(container)
      .filter((entry) => entry.endsWith(".new") || entry.endsWith(goingSuffix) || isUntried(container, entry))
      .map((entry) => join(container, entry));
  });
}

/** Removes what no command has finished. */
export function sweepDeployments(directory: string): void {
  for (const path of unfinishedDeployments(directory)) removeTree(path);
}

function isUntried(container: string, entry: string): boolean {
  const current = join(container, "current");
  if (!/^[1-9][0-9]*$/.test(entry) || !lstatSync(current).isSymbolicLink()) return false;
  return Number(entry) > Number(readlinkSync(current)) && !existsSync(join(container, entry, "outcome.json"));
}

function hasCurrent(directory: string, name: string): boolean {
  return namesIn(join(directory, name)).includes("current");
}
