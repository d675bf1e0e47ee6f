import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { paxHeader, tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { deploy } from "./deploy.ts";

const large = "x".repeat(300_000);
const capability = "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/** Checks out one layer; where its tree is. The repository passes `ostree fsck`. */
async function deployed(...parts: readonly Buffer[]): Promise<string> {
  const scratch = scratchDirectory();
  const repository = await deploy([tarArchive(...parts)], join(scratch, "repo"), join(scratch, "out"));
  expect(runProgram("ostree", ["fsck", `--repo=${repository.path}`])).toContain("no errors found");
  return join(scratch, "out");
}

describe("a file of a layer", () => {
  it.each([
    ["small", "small"],
    ["written as it comes", large],
  ])("keeps set-id bits, owner and capabilities together: %s", async (_, content) => {
    const owned = { uid: 1000, gid: 70_000 };
    const out = await deployed(
      tarEntry({ name: "su", mode: 0o6755, ...owned }, content),
      paxHeader([["SCHILY.xattr.security.capability", capability]]),
      tarEntry({ name: "ping", mode: 0o755, ...owned }, content),
      tarEntry({ name: "none", mode: 0, ...owned }, content),
    );
    const shown = ["su", "ping", "none"].map((name) => {
      const { mode, uid, gid, size } = lstatSync(join(out, name));
      return [(mode & 0o7777).toString(8), uid, gid, size === content.length];
    });
    expect(shown).toEqual([
      ["6755", 1000, 70_000, true],
      ["755", 1000, 70_000, true],
      ["0", 1000, 70_000, true],
    ]);
    expect(runProgram("getcap", [join(out, "ping")])).toContain("cap_net_raw=ep");
  });

  it.each([
    ["-1.5", -1_500_000_000n],
    ["-0.0000000001", 0n],
    ["0.9999999999", 1_000_000_000n],
    ["1700000000.25", 1_700_000_000_250_000_000n],
    ["-2147483648", -2_147_483_648_000_000_000n],
    ["4000000000", 4_000_000_000_000_000_000n],
  ])("keeps the time %s, and so do a directory, a symlink and a fifo", async (mtime, expected) => {
    const timed = paxHeader([["mtime", mtime]]);
    const kinds = { file: "0", link: "2", fifo: "6", directory: "5" };
    const entries = Object.entries(kinds).flatMap(([name, type]) => [
      timed,
      tarEntry({ name, type, linkTarget: "to" }),
    ]);
    const out = await deployed(...entries);
    for (const name of Object.keys(kinds)) {
      const found = lstatSync(join(out, name), { bigint: true }).mtimeNs;
      expect([name, Number(found - expected)]).toEqual([name, expect.closeTo(0, -4)]);
    }
  });

  it("keeps attributes whose names are not ASCII, byte for byte", async () => {
    const name = "user.caf\xc3\xa9";
    const out = await deployed(
      paxHeader([
        [`SCHILY.xattr.${name}`, "\0\n\xff"],
        ["SCHILY.xattr.user.a", ""],
      ]),
      tarEntry({ name: "file" }),
      paxHeader([[`SCHILY.xattr.${name}`, "v"]]),
      tarEntry({ name: "directory", type: "5", mode: 0o755 }),
    );
    const dump = runProgram("getfattr", ["-e", "hex", "-d", "file", "directory"], { cwd: out });
    expect(dump.split("\n").filter((row) => row.startsWith("user."))).toEqual([
      "user.caf\u00e9=0x000aff",
      "user.caf\u00e9=0x76",
    ]);
  });

  it("does not take the group or umask of the process, or of a set-group-id directory around it", () => {
    const scratch = scratchDirectory();
    const state = join(scratch, "state");
    mkdirSync(state);
    runProgram(
      "sh",
      [
        "-ec",
        "chgrp 4711 state; chmod 2777 state; mkdir t t/d; : > t/f; mkfifo t/p; ln -s x t/l; head -c 300000 /dev/zero > t/g; tar -C t -cf t.tar .",
      ],
      { cwd: scratch },
    );
    const module = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
    const program = `
      process.umask(0o077);
      const { deploy } = await import(process.argv[1]);
      const { readFileSync } = await import("node:fs");
      await deploy([readFileSync(process.argv[2])], process.argv[3] + "/repo", process.argv[3] + "/out");
    `;
    const node = [
      process.execPath,
      "--input-type=module",
      "-e",
      program,
      module("./deploy.ts"),
      join(scratch, "t.tar"),
      state,
    ];
    runProgram("setpriv", ["--regid", "4712", "--clear-groups", ...node]);
    const list = (directory: string): string =>
      runProgram("sh", ["-ec", "find . -printf '%P %y %m %U:%G\\n' | sort"], { cwd: directory });
    expect(list(join(state, "out"))).toBe(list(join(scratch, "t")));
    expect(runProgram("ostree", ["fsck", `--repo=${join(state, "repo")}`])).toContain("no errors found");
  });
});

describe("checkout", () => {
  it("copies a file when its inode takes no more links", async () => {
    const count = 70_000;
    const owned = { mode: 0o4750, uid: 7, gid: 8, mtime: 1_600_000_000 };
    const entries = Array.from({ length: count }, (_, at) => tarEntry({ name: `d${at % 100}/f${at}`, ...owned }));
    const scratch = scratchDirectory();
    const out = join(scratch, "out");
    await deploy([tarArchive(...entries)], join(scratch, "repo"), out);
    const rows = runProgram("find", [out, "-type", "f", "-printf", "%m %U:%G %s %T@\\n"]).trim().split("\n");
    expect(rows).toHaveLength(count);
    expect(new Set(rows)).toEqual(new Set(["4750 7:8 0 1600000000.0000000000"]));
    const links = runProgram("find", [out, "-type", "f", "-printf", "%i\\n"]).trim().split("\n");
    expect(new Set(links).size).toBeGreaterThan(1);
    expect(runProgram("ostree", ["fsck", `--repo=${join(scratch, "repo")}`])).toContain("no errors found");
  });

  it("to another file system is refused by name", async () => {
    const scratch = scratchDirectory();
    const elsewhere = join("/dev/shm", `keelson-${process.pid}`);
    expect(lstatSync("/dev/shm").dev).not.toBe(lstatSync(scratch).dev);
    try {
      const across = deploy([tarArchive(tarEntry({ name: "f" }))], join(scratch, "repo"), elsewhere);
      await expect(across).rejects.toMatchObject({ code: "E_CROSS_DEVICE" });
    } finally {
      runProgram("rm", ["-rf", elsewhere]);
    }
  });

  it("gives two names of one fifo or device one inode, and never writes into an object", async () => {
    const out = await deployed(
      tarEntry({ name: "p", type: "6" }),
      tarEntry({ name: "q", type: "1", linkTarget: "p" }),
      tarEntry({ name: "null", type: "3", deviceMajor: 1, deviceMinor: 3, mode: 0o666 }),
      tarEntry({ name: "zero", type: "1", linkTarget: "null" }),
      tarEntry({ name: "f" }, "content"),
    );
    const inode = (name: string): number => lstatSync(join(out, name)).ino;
    expect([inode("q"), inode("zero")]).toEqual([inode("p"), inode("null")]);
    expect([lstatSync(join(out, "null")).rdev, readFileSync(join(out, "f"), "utf8")]).toEqual([0x103, "content"]);
  });
});
