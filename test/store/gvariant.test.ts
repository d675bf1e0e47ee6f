import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { foldLayers } from "../../src/layer/apply.ts";
import { openRepository, stageCommit } from "../../src/store/repository.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { unpackBytes } from "./deploy.ts";

/** Trees as shell commands that make them in an empty directory. */
const trees: readonly (readonly [string, string])[] = [
  ["nothing", "true"],
  ["one empty file", ": > f"],
  [
    "modes and owners",
    ": > f; chmod 4755 f; mkdir -m 2711 d; chown 70000:4294967294 d; printf x > d/g; chown 1:2 d/g; chmod 0 d/g",
  ],
  ["symlinks", "ln -s ../x l; ln -s / m; ln -s $(printf 'y%.0s' $(seq 300)) n; chown -h 7:8 l"],
  [
    "attributes",
    "printf 1 > f; setfattr -n user.b -v 2 f; setfattr -n user.a -v '' f; mkdir d; setfattr -n user.z -v z d",
  ],
  ["a capability", "cp /bin/true f; setcap cap_net_raw+ep f"],
  ["an access control list", ": > f; setfacl -m u:7:rw f; mkdir d; setfacl -d -m g:8:r d"],
  ["names out of order", "mkdir b a-b a a.b; : > Z; : > z; : > a/0; : > café; : > ' '"],
  [
    "a list of names that wants two bytes an offset",
    "for i in $(seq 40); do : > a-rather-long-name-$i; mkdir d$i; done",
  ],
  [
    "a list of names that wants four bytes an offset",
    "seq -f 'a-name-of-a-length-that-makes-the-list-long-%05.0f' 1000 | xargs touch",
  ],
  ["an attribute that wants four bytes an offset", ": > f; setfattr -n user.a -v $(printf 'v%.0s' $(seq 3000)) f"],
  ["content of many sizes", "for i in 0 1 511 512 513 65535 65536 300000; do head -c $i /bin/bash > f$i; done"],
  ["depth", "mkdir -p a/b/c/d/e/f/g; : > a/b/c/d/e/f/g/h"],
];

function objectsOf(repository: string): string {
  return runProgram("find", ["objects", "-mindepth", "2", "-printf", "%P %y %m %U:%G\\n"], { cwd: repository })
    .split("\n")
    .filter((row) => !/\.(commit|commitmeta) /.test(row))
    .sort()
    .join("\n");
}

describe("the objects of a tree", () => {
  it.each(trees)("are those that ostree itself writes: %s", async (_, commands) => {
    const scratch = scratchDirectory();
    const source = join(scratch, "source");
    mkdirSync(source);
    runProgram("sh", ["-ec", commands], { cwd: source });
    const theirs = join(scratch, "theirs");
    runProgram("ostree", ["init", `--repo=${theirs}`, "--mode=bare"]);
    const flags = ["--branch=test", "--subject=café", "--timestamp=@1700000000", "--no-bindings"];
    const commit = runProgram("ostree", ["commit", `--repo=${theirs}`, ...flags, `--tree=dir=${source}`]).trim();

    const archive = join(scratch, "layer.tar");
    runProgram("tar", ["--xattrs", "--xattrs-include=*", "--format=pax", "-C", source, "-cf", archive, "."]);
    const ours = openRepository(join(scratch, "ours"));
    const tree = foldLayers([await unpackBytes(ours, readFileSync(archive))]);
    const name = stageCommit(ours, tree, "café", 1_700_000_000);
    ours.publish();
    expect(objectsOf(ours.path)).toBe(objectsOf(theirs));
    expect(name).toBe(commit);
  });
});
