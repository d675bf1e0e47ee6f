import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { takeLock } from "../../src/store/lock.ts";
import { scratchDirectory } from "../bed/scratch.ts";

const lockModule = fileURLToPath(new URL("../../src/store/lock.ts", import.meta.url));
const program = `
const { takeLock } = await import(process.argv[1]);
try {
  takeLock(process.argv[2], process.argv[3]);
  console.log("held");
  process.stdin.resume();
} catch (error) {
  console.log(error.code, error.message);
}
`;

/** Another process that takes the lock and holds it until it is killed; what it said first. */
async function takeElsewhere(path: string, command: string): Promise<{ process: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, lockModule, path, command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [said] = await once(createInterface(child.stdout), "line");
  return { process: child, said };
}

describe("the lock", () => {
  it("of another process is refused, naming it", async () => {
    const path = join(scratchDirectory(), "state", "lock");
    const holder = await takeElsewhere(path, "keelson install");
    expect(holder.said).toBe("held");
    const named = expect.objectContaining({
      code: "E_LOCKED",
      message: expect.stringContaining(`${holder.process.pid} keelson install`),
    });
    expect(() => takeLock(path, "keelson uninstall")).toThrow(named);
    expect(() => takeLock(path, "keelson uninstall")).toThrow(named);
  });

  it("keeps another process out, which is told who holds it", async () => {
    const path = join(scratchDirectory(), "lock");
    const lock = takeLock(path, "keelson pull");
    const other = await takeElsewhere(path, "keelson install");
    expect(other.said).toMatch(new RegExp(`^E_LOCKED .*\\b${process.pid} keelson pull`));
    lock.release();
    expect((await takeElsewhere(path, "keelson install")).said).toBe("held");
  });

  it("is free again when its holder is killed", async () => {
    const path = join(scratchDirectory(), "lock");
    const holder = await takeElsewhere(path, "keelson install");
    holder.process.kill("SIGKILL");
    await once(holder.process, "exit");
    const lock = takeLock(path, "keelson recover");
    expect(readFileSync(path, "utf8")).toBe(`${process.pid} keelson recover\n`);
    lock.release();
  });

  it("is held once in one process too", () => {
    const path = join(scratchDirectory(), "lock");
    const lock = takeLock(path, "first");
    expect(() => takeLock(path, "second")).toThrow(expect.objectContaining({ code: "E_LOCKED" }));
    lock.release();
    takeLock(path, "third").release();
  });

  it("is not that of a file which its holder has removed", () => {
    const path = join(scratchDirectory(), "lock");
    const old = takeLock(path, "first");
    rmSync(path);
    const now = takeLock(path, "second");
    expect(() => takeLock(path, "third")).toThrow(expect.objectContaining({ code: "E_LOCKED" }));
    old.release();
    expect(() => takeLock(path, "third")).toThrow(expect.objectContaining({ code: "E_LOCKED" }));
    now.release();
  });

  it("shows no control characters of the file's text, and is closed to other users", async () => {
    const path = join(scratchDirectory(), "lock");
    const lock = takeLock(path, "first");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, "1 \x1b[2J\n");
    expect(() => takeLock(path, "second")).toThrow(
      expect.objectContaining({ message: expect.stringContaining("1 \\u001b[2J") }),
    );
    lock.release();
  });
});
