import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { paxHeader, tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { deploy } from "./deploy.ts";

const uid = 4711;
const owned = { uid: 33, gid: 44 };
const large = "x".repeat(300_000);
const layer = tarArchive(
  tarEntry({ name: "dev/", type: "5", mode: 0o755 }),
  tarEntry({ name: "dev/null", type: "3", mode: 0o666, deviceMajor: 1, deviceMinor: 3 }),
  tarEntry({ name: "tmp/", type: "5", mode: 0o3777, ...owned }),
  tarEntry({ name: "closed/", type: "5", mode: 0, ...owned }),
  tarEntry({ name: "closed/su", mode: 0o6755, ...owned }, "small"),
  tarEntry({ name: "large", mode: 0o666, ...owned }, large),
  paxHeader([["SCHILY.xattr.user.comment", "gone"]]),
  tarEntry({ name: "commented", mode: 0, ...owned }, "c"),
  tarEntry({ name: "link", type: "2", linkTarget: "large", ...owned }),
  tarEntry({ name: "pipe", type: "6", mode: 0o622, ...owned }),
  tarEntry({ name: "below/made/by/its/path", mode: 0o644, ...owned }, "p"),
);

/** Runs lines as a user who may read all files, as those of this project may be closed to others, and nothing else. */
function asUser(lines: string, ...args: readonly string[]): string {
  const module = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const program = `
    const [deployModule, source, ...args] = process.argv.slice(1);
    const { deploy } = await import(deployModule);
    const { readFileSync } = await import("node:fs");
    ${lines}
  `;
  const read = ["--inh-caps", "-all,+dac_read_search", "--ambient-caps", "+dac_read_search"];
  const as = ["--reuid", String(uid), "--regid", String(uid), "--clear-groups", ...read];
  const node = [process.execPath, "--input-type=module", "-e", program, module("./deploy.ts"), module("../../src")];
  return runProgram("setpriv", [...as, ...node, ...args]);
}

function scratchOfUser(): string {
  const scratch = scratchDirectory();
  chmodSync(scratch, 0o755);
  writeFileSync(join(scratch, "layer.tar"), layer);
  mkdirSync(join(scratch, "own"));
  chownSync(join(scratch, "own"), uid, uid);
  return scratch;
}

const unpacked =
  'const repository = await deploy([readFileSync(args[0] + "/layer.tar")], args[0] + "/own/repo", args[0] + "/own/out");';

describe("78: the store of a user", () => {
  it("has files of that user alone, in a mode of OSTree that is for them", () => {
    const scratch = scratchOfUser();
    asUser(unpacked, scratch);
    const listed = runProgram("find", [".", "-printf", "%P|%y|%m|%U:%G\n"], { cwd: join(scratch, "own/out") });
    const rows = listed.trim().split("\n").sort();
    expect(rows.every((row) => row.endsWith(`|${uid}:${uid}`))).toBe(true);
    expect(rows.map((row) => row.replace(/\|[0-9:]*$/, ""))).toEqual([
      "below/made/by/its/path|f|644",
      "below/made/by/its|d|755",
      "below/made/by|d|755",
      "below/made|d|755",
      "below|d|755",
      "closed/su|f|755",
      "closed|d|700",
      "commented|f|400",
      "dev|d|755",
      "large|f|664",
      "link|l|777",
      "pipe|p|620",
      "tmp|d|1777",
      "|d|755",
    ]);
    expect(runProgram("getfattr", ["-R", "-h", "-d", "-m", "-", "."], { cwd: join(scratch, "own/out") })).toBe("");
    const repository = join(scratch, "own/repo");
    expect(runProgram("ostree", ["config", "get", "core.mode", `--repo=${repository}`])).toBe("bare-user-only\n");
    expect(runProgram("ostree", ["fsck", `--repo=${repository}`])).toContain("no errors found");
    const theirs = join(scratch, "theirs");
    runProgram("ostree", ["checkout", `--repo=${repository}`, "--user-mode", "keelson/image/test", theirs]);
    runProgram("diff", ["-r", "--no-dereference", "--exclude=pipe", join(scratch, "own/out"), theirs]);
  });

  it("finds itself whole, and one changed byte", () => {
    const scratch = scratchOfUser();
    const said = asUser(
      `${unpacked}
      const { verifyTree, compareContent, openObjectNames } = await import(source + "/store/verify.ts");
      const { foldLayers } = await import(source + "/layer/apply.ts");
      const { unpackBytes } = await import(deployModule);
      const { chmodSync, writeFileSync } = await import("node:fs");
      const tree = foldLayers([await unpackBytes(repository, readFileSync(args[0] + "/layer.tar"))]);
      const find = () => verifyTree(tree, args[0] + "/own/out", new Set(), compareContent(openObjectNames()));
      const before = find();
      writeFileSync(args[0] + "/own/out/closed/su", "SMALL");
      chmodSync(args[0] + "/own/out/dev", 0o700);
      console.log(JSON.stringify([before, find().map(({ path, problem }) => [path.replace(/.*out./, ""), problem])]));`,
      scratch,
    );
    expect(JSON.parse(said)).toEqual([
      [],
      [
        ["closed/su", "changed"],
        ["dev", "changed"],
      ],
    ]);
  });

  it("is not that of root, nor the other way round", async () => {
    const scratch = scratchOfUser();
    asUser(unpacked, scratch);
    const again = deploy([layer], join(scratch, "own/repo"), join(scratch, "out"));
    await expect(again).rejects.toMatchObject({ code: "E_STORE", message: expect.stringContaining("bare-user-only") });
    await deploy([layer], join(scratch, "repo"), join(scratch, "out"));
    runProgram("chown", ["-R", String(uid), join(scratch, "repo")]);
    const said = asUser(
      'await deploy([], args[0] + "/repo", args[0] + "/own/out").catch(({ code }) => console.log(code));',
      scratch,
    );
    expect(said).toBe("E_STORE\n");
  });
});
