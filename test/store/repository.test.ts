import { createReadStream, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import { readNewList } from "../../src/store/change-list.ts";
import { checkout } from "../../src/store/checkout.ts";
import { openRepository, type Repository, stageCommit, writeRef } from "../../src/store/repository.ts";
import { unpack } from "../../src/store/unpack.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";

const limits = { entries: 1_000_000, bytes: 2 ** 34 };

/** What find(1) and getfattr(1) see: type, mode, owner, size, time, target, attributes. */
function listing(directory: string): string {
  const files = runProgram("find", [".", "-printf", "%P|%y|%m|%U:%G|%T@|%l|%s\\n"], { cwd: directory });
  const rows = files
    .split("\n")
    .filter((row) => row !== "")
    .map((row) => row.replace(/(\|d\|.*\|)\d+$/, "$1"));
  const attributes = runProgram("getfattr", ["-R", "-h", "-d", "-m", "-", "."], { cwd: directory });
  return [...rows.sort(), attributes].join("\n");
}

function makeTree(directory: string): void {
  mkdirSync(join(directory, "usr/bin"), { recursive: true });
  mkdirSync(join(directory, "var/empty"), { recursive: true });
  runProgram(
    "sh",
    [
      "-ec",
      `
    cp /bin/true usr/bin/capable; setcap cap_net_bind_service+ep usr/bin/capable
    cp /bin/true usr/bin/setuid; chmod 4755 usr/bin/setuid
    ln usr/bin/setuid usr/bin/hard; ln -s ../missing usr/bin/dangling; ln -s /usr/bin bin
    echo one > one; chown 4294967294:65536 one; touch -d @1.5 one
    : > empty; : > empty2; chmod 0 empty2; touch -d 1969-01-01 empty2
    setfattr -n user.note -v hello one; setfattr -n user.dir -v d var
    chmod 1777 var/empty; mkfifo pipe; mknod null c 1 3; touch -h -d @7.25 bin
    head -c 700000 /dev/urandom > large
    printf x > "$(printf 'caf\\303\\251')"; printf y > "$(printf 'raw\\377')"
    mkdir acl; setfacl -m u:7:rwx acl; : > acl/f; setfacl -m u:8:r acl/f
    find . -depth ! -name one ! -name empty2 ! -path ./bin -exec touch -h -d @1600000000.5 {} +
  `,
    ],
    { cwd: directory },
  );
}

async function unpackDirectory(
  repository: Repository,
  directory: string,
  archive: string,
  ...options: string[]
): Promise<readonly LayerChange[]> {
  runProgram("tar", [
    "--xattrs",
    "--xattrs-include=*",
    "--format=pax",
    ...options,
    "-cf",
    archive,
    "-C",
    directory,
    ".",
  ]);
  return [...readNewList(await unpack(createReadStream(archive), repository, limits))];
}

describe("the repository", () => {
  it("is one that ostree fsck finds whole, and a checkout equals what tar was given", async () => {
    const scratch = scratchDirectory();
    const source = join(scratch, "source");
    mkdirSync(source);
    makeTree(source);
    const repository = openRepository(join(scratch, "repo"));
    const changes = await unpackDirectory(repository, source, join(scratch, "layer.tar"));
    const tree = foldLayers([changes]);
    const commit = stageCommit(repository, tree, "a subject", 1_700_000_000);
    repository.publish();
    writeRef(repository, "keelson/image/test", commit);
    expect(runProgram("ostree", ["fsck", `--repo=${repository.path}`])).toContain("no errors found");
    const listed = runProgram("ostree", ["ls", "-R", `--repo=${repository.path}`, "keelson/image/test"]);
    expect(listed).toContain("/usr/bin/setuid");
    expect(listed).toContain("/bin -> /usr/bin");
    const out = join(scratch, "out");
    checkout(repository, tree, out);
    expect(listing(out)).toBe(listing(source));
  });

  it("links what two deployments share to one inode, and never replaces an object", async () => {
    const scratch = scratchDirectory();
    const source = join(scratch, "source");
    mkdirSync(source);
    writeFileSync(join(source, "same"), "same");
    const repository = openRepository(join(scratch, "repo"));
    const deploy = async (name: string): Promise<number> => {
      const tree = foldLayers([await unpackDirectory(repository, source, join(scratch, `${name}.tar`))]);
      repository.publish();
      checkout(repository, tree, join(scratch, name));
      return lstatSync(join(scratch, name, "same")).ino;
    };
    const first = await deploy("1");
    writeFileSync(join(source, "other"), "other");
    expect(await deploy("2")).toBe(first);
  });

  it("shows nothing of what is staged until it is published, and forgets it when discarded", async () => {
    const scratch = scratchDirectory();
    const source = join(scratch, "source");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "content");
    const repository = openRepository(join(scratch, "repo"));
    const before = runProgram("find", [repository.path]);
    await unpackDirectory(repository, source, join(scratch, "layer.tar"));
    expect(readdirSync(join(repository.path, "objects"))).toEqual([]);
    repository.discard();
    expect(runProgram("find", [repository.path])).toBe(before);
  });

  it("refuses a block device", async () => {
    const scratch = scratchDirectory();
    mkdirSync(join(scratch, "source"));
    runProgram("mknod", [join(scratch, "source/disk"), "b", "8", "0"]);
    const repository = openRepository(join(scratch, "repo"));
    await expect(
      unpackDirectory(repository, join(scratch, "source"), join(scratch, "layer.tar")),
    ).rejects.toMatchObject({ code: "E_LAYER" });
  });
});
