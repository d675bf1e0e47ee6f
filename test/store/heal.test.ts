import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { foldLayers } from "../../src/layer/apply.ts";
import type { DirectoryNode } from "../../src/layer/tree.ts";
import { checkout } from "../../src/store/checkout.ts";
import { healEntry, objectsOfEntry } from "../../src/store/heal.ts";
import { objectPath } from "../../src/store/object.ts";
import { openRepository, type Repository } from "../../src/store/repository.ts";
import { compareContent, openObjectNames, sameMetadata, type TreeFinding, verifyTree } from "../../src/store/verify.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { gnuLong, tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { unpackBytes } from "./deploy.ts";
import { listDirectory } from "./listing.ts";

interface Deployed {
  readonly repository: Repository;
  readonly tree: DirectoryNode;
  /** Two checkouts of the tree. */
  readonly one: string;
  readonly other: string;
}

/** One character a byte, as everywhere. */
const odd = "o\xff";
const long = "x".repeat(255);

async function deployed(): Promise<Deployed> {
  const scratch = scratchDirectory();
  const repository = openRepository(join(scratch, "repo"));
  const entries = ["d/e/f", "d/g", odd].map((name) => tarEntry({ name }, `content of ${name}`));
  const tar = tarArchive(...entries, gnuLong("L", long), tarEntry({}, "content of a long name"));
  const tree = foldLayers([await unpackBytes(repository, tar)]);
  repository.publish();
  const [one, other] = [join(scratch, "one"), join(scratch, "other")];
  for (const directory of [one, other]) checkout(repository, tree, directory);
  return { repository, tree, one, other };
}

function findings({ tree, one }: Deployed): readonly TreeFinding[] {
  return verifyTree(tree, one, new Set(), compareContent(openObjectNames()));
}

function healAll(deployment: Deployed): readonly TreeFinding[] {
  for (const finding of findings(deployment)) healEntry(finding, deployment.repository);
  deployment.repository.discard();
  return findings(deployment);
}

/** Puts nothing, an empty file, a full directory or a link in the place of what is there. */
function replace(path: string | Buffer, by: "nothing" | "file" | "directory" | "link"): void {
  rmSync(path, { recursive: true, force: true });
  if (by === "file") writeFileSync(path, "");
  if (by === "directory") mkdirSync(`${path}/x/y`, { recursive: true });
  if (by === "link") symlinkSync("/etc", path);
}

it.each<[string, (directory: string) => void]>([
  ["a file whose name is not UTF-8", (directory) => replace(Buffer.from(`${directory}/${odd}`, "latin1"), "nothing")],
  ["a file with a name as long as names may be", (directory) => replace(join(directory, long), "file")],
  ["a tree that is gone", (directory) => replace(directory, "nothing")],
  ["a file in place of the tree", (directory) => replace(directory, "file")],
  ["a full directory in place of a file", (directory) => replace(join(directory, "d/g"), "directory")],
  ["a full directory that nobody installed", (directory) => replace(join(directory, "x"), "directory")],
  ["a link out of the tree in place of a directory", (directory) => replace(join(directory, "d"), "link")],
])("heals %s, and leaves nothing beside it", async (_, damage) => {
  const deployment = await deployed();
  const before = listDirectory(deployment.one);
  damage(deployment.one);
  expect(findings(deployment)).not.toEqual([]);
  expect(healAll(deployment)).toEqual([]);
  expect(listDirectory(deployment.one)).toEqual(before);
  expect(readdirSync(join(deployment.repository.path, "tmp"))).toEqual([]);
});

it("a file that is healed is another inode: who has the old one open keeps it, and so does the other deployment", async () => {
  const deployment = await deployed();
  const path = join(deployment.one, "d/g");
  const fd = openSync(path, "r");
  const { ino } = lstatSync(path);
  rmSync(join(deployment.repository.path, "objects"), { recursive: true });
  mkdirSync(join(deployment.repository.path, "objects"));
  const [damaged] = findings({ ...deployment, one: deployment.other });
  expect(damaged).toBeUndefined();
  chmodSync(path, 0o600);
  const [finding] = findings(deployment);
  // The store has the content anew, as when a layer was fetched.
  const [object = ""] = finding === undefined ? [] : objectsOfEntry(finding);
  const place = join(deployment.repository.path, "objects", objectPath(object, "file"));
  mkdirSync(dirname(place));
  writeFileSync(place, "content of d/g");
  expect(healAll(deployment)).toEqual([]);
  expect(lstatSync(path).ino).not.toBe(ino);
  expect(lstatSync(join(deployment.other, "d/g")).ino).toBe(ino);
  const bytes = Buffer.alloc(7);
  readSync(fd, bytes);
  closeSync(fd);
  expect(bytes.toString()).toBe("content");
});

it("an entry whose object is lost stays as it is, and the error is the store's", async () => {
  const deployment = await deployed();
  const path = join(deployment.one, "d/g");
  chmodSync(path, 0o600);
  const [finding] = findings(deployment);
  if (finding === undefined) throw new Error("nothing was found");
  const [object = ""] = objectsOfEntry(finding);
  rmSync(join(deployment.repository.path, "objects", objectPath(object, "file")));
  const repository = openRepository(deployment.repository.path);
  expect(() => healEntry(finding, repository)).toThrow(expect.objectContaining({ code: "E_STORE" }));
  repository.discard();
  expect(readFileSync(path, "utf8")).toBe("content of d/g");
});

it("the objects of a directory are those of everything below it, and a foreign entry has none", async () => {
  const deployment = await deployed();
  rmSync(join(deployment.one, "d"), { recursive: true });
  writeFileSync(join(deployment.one, "z"), "");
  const [directory, foreign] = findings(deployment);
  expect(directory && objectsOfEntry(directory)).toHaveLength(2);
  expect(foreign && objectsOfEntry(foreign)).toEqual([]);
});

it("what one look at an inode tells is not what its content tells", async () => {
  const { tree, one } = await deployed();
  const path = join(one, "d/g");
  writeFileSync(path, "CONTENT OF D/G");
  expect(verifyTree(tree, one, new Set(), sameMetadata)).toEqual([]);
  expect(verifyTree(tree, one, new Set(), compareContent(openObjectNames()))).toMatchObject([{ path }]);
  writeFileSync(path, "longer than it was");
  expect(verifyTree(tree, one, new Set(), sameMetadata)).toMatchObject([{ path, problem: "changed" }]);
});

it("an inode is read again when it has changed since", async () => {
  const { tree, one } = await deployed();
  const compare = compareContent(openObjectNames());
  expect(verifyTree(tree, one, new Set(), compare)).toEqual([]);
  writeFileSync(join(one, "d/g"), "CONTENT OF D/G");
  expect(verifyTree(tree, one, new Set(), compare)).toHaveLength(1);
});

it("a damaged object counts as not there until it is published anew, in its own place", async () => {
  const { repository, tree } = await deployed();
  const node = tree.children.get(odd);
  if (node?.kind !== "file") throw new Error("no such file");
  const object = objectPath(node.object, "file");
  const healing = openRepository(repository.path, { damaged: new Set([object]) });
  expect(healing.has(node.object, "file")).toBe(false);
  expect(() => healing.locate(node.object, "file")).toThrow(expect.objectContaining({ code: "E_STORE" }));
  writeFileSync(healing.stagePath(node.object, "file"), "anew");
  healing.publish();
  expect(readFileSync(healing.locate(node.object, "file"), "utf8")).toBe("anew");
  expect(existsSync(join(repository.path, "tmp/staging"))).toBe(false);
});
