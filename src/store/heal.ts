import { lstatSync, renameSync } from "node:fs";
import type { ObjectName } from "../layer/change.ts";
import { visitTree } from "../layer/tree.ts";
import { checkout, resetAttributes } from "./checkout.ts";
import { removeTree } from "./remove.ts";
import type { Repository } from "./repository.ts";
import type { TreeFinding } from "./verify.ts";

/**
 * Puts right what verifyTree found at one path. What is there is never written to, as other deployments have the same
 * inode: the right one is made in the repository's staging area and renamed into its place. Cut short, it leaves what
 * verifyTree finds again. Not synced. Throws E_STORE for an object that is lost, and errors of the file system.
 */
export function healEntry({ path, node }: TreeFinding, repository: Repository): void {
  const place = Buffer.from(path, "latin1");
  const there = lstatSync(place, { throwIfNoEntry: false });
  if (node?.kind === "directory" && there?.isDirectory()) return resetAttributes(place, node.attributes);
  const made = repository.scratchPath();
  if (node !== undefined) checkout(repository, node, made);
  // rename(2) takes the place of a file by itself, but of a directory only with an empty one.
  if (there !== undefined && (node === undefined || node.kind === "directory" || there.isDirectory())) {
    const gone = repository.scratchPath();
    renameSync(place, gone);
    removeTree(gone);
  }
  if (node !== undefined) renameSync(made, place);
}

/** The content objects that the right entry needs, of a directory those of everything below it too. */
export function objectsOfEntry({ node }: TreeFinding): readonly ObjectName[] {
  if (node === undefined) return [];
  if (node.kind !== "directory") return "object" in node ? [node.object] : [];
  const objects: ObjectName[] = [];
  visitTree(node, (below) => "object" in below && objects.push(below.object));
  return objects;
}
