import { lstatSync } from "node:fs";
import { isObject } from "../image/json.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import type { Deployment } from "../plan/deployment.ts";
import { deployedFiles, type ExpectedFile, installedFiles } from "../plan/expected.ts";
import type { HostFacts } from "../plan/facts.ts";
import { installedRelations } from "../plan/relation-files.ts";
import { type Compare, type Finding, type TreeFinding, verifyTree } from "../store/verify.ts";
import type { HostRoot } from "./root.ts";

/** A file of the host that is not as a deployment's record has it. */
export interface FileFinding extends Finding {
  readonly expected: ExpectedFile;
}

/** Where deployments are, as a path of the root. */
export interface DeploymentPlaces {
  readonly root: HostRoot;
  readonly deployments: string;
  readonly facts: HostFacts;
}

/** What of a deployment's tree is not as the image has it. Nothing of one on a root filesystem that is the host's own. */
export function verifyRootfs(
  deployment: Deployment,
  tree: DirectoryNode,
  { root, deployments }: DeploymentPlaces,
  compare: Compare,
): readonly TreeFinding[] {
  if (deployment.rootfs !== undefined) return [];
  const { name, generation, config } = deployment;
  return verifyTree(tree, root.path(`${deployments}/${name}/${generation}/rootfs`), mountPointsOf(config), compare);
}

/** What of the files that a deployment's record has is not as recorded; of one that is `current`, those of the host too. */
export function verifyFiles(
  deployment: Deployment,
  current: boolean,
  { root, deployments, facts }: DeploymentPlaces,
): readonly FileFinding[] {
  const directory = `${deployments}/${deployment.name}/${deployment.generation}`;
  const onHost = current ? [...installedFiles(deployment), ...installedRelations(deployment, facts)] : [];
  const files = [...deployedFiles(deployment, directory), ...onHost];
  return files.flatMap((expected) => {
    const problem = problemOf(expected, root);
    return problem === undefined ? [] : [{ path: expected.path, problem, expected }];
  });
}

function problemOf(expected: ExpectedFile, root: HostRoot): "missing" | "changed" | undefined {
  const fact = root.at(expected.path);
  if (fact.kind === "missing") return "missing";
  if (expected.kind === "symlink")
    return fact.kind === "symlink" && fact.target === expected.target ? undefined : "changed";
  const { sha256, mode } = expected;
  if (fact.kind !== "file" || fact.sha256 !== sha256 || (mode !== undefined && fact.mode !== mode)) return "changed";
  return lstatSync(root.bytes(expected.path)).uid === process.getuid?.() ? undefined : "changed";
}

/**
 * What a runtime makes in every /dev, even one that is no mount of its own.
 * https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices and
 * runtime-linux.md#dev-symbolic-links
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
