import { readFileSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import { isObject } from "../image/json.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import type { Deployment, HostFile } from "../plan/deployment.ts";
import { type Finding, type NameObject, verifyTree } from "../store/verify.ts";
import type { HostRoot } from "./root.ts";

/**
 * What of a deployment is not as its record says: files of its tree, config.json, unit, tmpfiles lines, links that enable
 * it, host files. `tree` is undefined for one that runs on a root filesystem of the host.
 */
export function verifyDeployment(
  deployment: Deployment,
  tree: DirectoryNode | undefined,
  places: { readonly root: HostRoot; readonly deployments: string },
  nameObject: NameObject,
): readonly Finding[] {
  const { root, deployments } = places;
  const { name, generation, config, service, tmpfiles, hostFiles } = deployment;
  const directory = `${deployments}/${name}/${generation}`;
  const files = [
    { path: `${directory}/config.json`, text: config },
    ...(tmpfiles ? [tmpfiles] : []),
    ...(service ? [service] : []),
  ];
  const links = service?.enabled ? service.links : [];
  return [
    ...(tree === undefined
      ? []
      : verifyTree(tree, root.path(`${directory}/rootfs`), mountPointsOf(config), nameObject)),
    ...files.flatMap(({ path, text }) => verifyText(path, text, root)),
    ...links.flatMap(({ path, target }) => verifyHostFile({ kind: "symlink", path, target, foreign: false }, root)),
    ...hostFiles.filter((file) => !file.foreign).flatMap((file) => verifyHostFile(file, root)),
  ];
}

function verifyText(path: string, text: string, root: HostRoot): readonly Finding[] {
  try {
    return readFileSync(root.bytes(path), "utf8") === text ? [] : [{ path, problem: "changed" }];
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [{ path, problem: "missing" }];
    return [{ path, problem: "changed" }];
  }
}

function verifyHostFile(file: HostFile, root: HostRoot): readonly Finding[] {
  const { path } = file;
  const fact = root.at(path);
  if (fact.kind === "missing") return [{ path, problem: "missing" }];
  if (file.kind === "symlink")
    return fact.kind === "symlink" && fact.target === file.target ? [] : [{ path, problem: "changed" }];
  return fact.kind === "file" && fact.sha256 === file.sha256 && fact.mode === file.mode
    ? []
    : [{ path, problem: "changed" }];
}

/**
 * What a runtime makes in every /dev, even one that is no mount of its own.
 * https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices and runtime-linux.md#dev-symbolic-links
 */
const devices = "null zero full random urandom tty console ptmx fd stdin stdout stderr core".split(" ");

/** Where the runtime mounts, and the directories above, and its devices: it makes what of that is missing. */
function mountPointsOf(config: string): ReadonlySet<string> {
  const parsed: unknown = JSON.parse(config);
  const mounts: unknown[] = isObject(parsed) && Array.isArray(parsed.mounts) ? parsed.mounts : [];
  const points = new Set(["dev", ...devices.map((name) => `dev/${name}`)]);
  for (const mount of mounts) {
    const parts = isObject(mount)
      ? Buffer.from(String(mount.destination)).toString("latin1").split("/").filter(Boolean)
      : [];
    for (let length = 1; length <= parts.length; length++) points.add(parts.slice(0, length).join("/"));
  }
  return points;
}
