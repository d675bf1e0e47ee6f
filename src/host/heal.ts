import { lstatSync } from "node:fs";
import { KeelsonError } from "../errors.ts";
import type { ObjectName } from "../layer/change.ts";
import { shownPath } from "../layer/path.ts";
import type { DirectoryNode, TreeNode } from "../layer/tree.ts";
import type { Deployment } from "../plan/deployment.ts";
import type { ObjectNode } from "../store/checkout.ts";
import type { CheckPlaces } from "./check.ts";
import { changeFile, type FilePlaces } from "./files.ts";
import { type Holder, readHolders } from "./generations.ts";
import type { FileFinding } from "./verify.ts";

/** A path of a deployment that is to hold a content object. */
export interface ObjectPlace {
  readonly holder: Holder;
  readonly node: ObjectNode;
  /** For system calls, one character a byte. */
  readonly path: string;
  /** Absent when it does. */
  readonly problem?: "missing" | "changed";
}

/**
 * Every path in the deployments of all containers that is to hold one of these objects. Only directories are entered: what
 * stands behind anything else in the place of one is not the deployment's.
 */
export function placesOf(objects: ReadonlySet<ObjectName>, places: CheckPlaces): readonly ObjectPlace[] {
  if (objects.size === 0) return [];
  return readHolders(places.paths.deployments).flatMap((holder) => {
    const { name, number, deployment } = holder;
    const tree = deployment.rootfs === undefined ? places.trees(deployment.image) : undefined;
    const rootfs = places.root.path(`${places.deployments}/${name}/${number}/rootfs`);
    if (tree === undefined) return [];
    const found: ObjectPlace[] = [];
    visitDirectories(tree, Buffer.from(rootfs).toString("latin1"), (node, path) => {
      if (!("object" in node) || !objects.has(node.object)) return;
      const bytes = Buffer.from(path, "latin1");
      const stat = lstatSync(bytes, { throwIfNoEntry: false });
      if (stat === undefined) found.push({ holder, node, path, problem: "missing" });
      else found.push({ holder, node, path, ...(places.compare(node, bytes, stat) ? {} : { problem: "changed" }) });
    });
    return found;
  });
}

function visitDirectories(tree: DirectoryNode, at: string, visit: (node: TreeNode, path: string) => void): void {
  if (!lstatSync(Buffer.from(at, "latin1"), { throwIfNoEntry: false })?.isDirectory()) return;
  for (const [name, node] of tree.children) {
    if (node.kind === "directory") visitDirectories(node, `${at}/${name}`, visit);
    else visit(node, `${at}/${name}`);
  }
}

/**
 * Writes a file of the host as the record has it, and the directories above it that are missing. What is there is replaced,
 * unless it is a directory or a special file (E_FILE_EXISTS). Durable; cut short, it leaves what verifyFiles finds again.
 */
export function healFile({ expected }: FileFinding, deployment: Deployment, places: FilePlaces): void {
  const { root } = places;
  makeParents(expected.path, deployment, places);
  const { path } = expected;
  const fact = root.at(path);
  if (fact.kind === "directory" || fact.kind === "other") {
    const what = fact.kind === "directory" ? "a directory" : "a special file";
    throw new KeelsonError("E_FILE_EXISTS", `${shownPath(path)} is ${what}, which is not keelson's to remove`, {
      hint: "Look what it is, and remove it.",
    });
  }
  if (expected.kind === "symlink") {
    // Nothing is taken back here, so where the old content is does not matter.
    if (fact.kind === "file")
      changeFile({ kind: "file", path, from: { ...fact, content: { kind: "path", path } } }, places);
    const from = fact.kind === "symlink" ? { from: fact.target } : {};
    return changeFile({ kind: "symlink", path, ...from, to: expected.target }, places);
  }
  if (fact.kind === "symlink") changeFile({ kind: "symlink", path, from: fact.target }, places);
  const from = fact.kind === "file" ? { from: { ...fact, content: { kind: "path", path } as const } } : {};
  const { mode = fact.kind === "file" ? fact.mode : 0o600, sha256, content } = expected;
  changeFile({ kind: "file", path, ...from, to: { mode, sha256, content } }, places);
}

function makeParents(path: string, { madeDirectories }: Deployment, places: FilePlaces): void {
  const modes = new Map(madeDirectories.map((directory) => [directory.path, directory.mode]));
  for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1)) {
    const parent = path.slice(0, slash);
    if (places.root.at(parent).kind !== "missing") continue;
    changeFile({ kind: "directory", path: parent, to: modes.get(parent) ?? 0o755 }, places);
  }
}
