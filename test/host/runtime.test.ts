import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findRuntime } from "../../src/host/runtime.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "keelson-runtime-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function program(path: string, script: string, mode = 0o755): string {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), script);
  chmodSync(join(root, path), mode);
  return join(root, path);
}

const unasked = "#!/bin/sh\ntouch asked\nexit 1\n";

describe("findRuntime", () => {
  it("finds the host's own runc and what it says it is", async () => {
    const { path, name, version } = await findRuntime({ root: "/", configured: "/usr/sbin/runc" });
    expect({ path, name }).toEqual({ path: "/usr/sbin/runc", name: "runc" });
    expect(version).toMatch(/^\d+\.\d+/);
  });

  it("looks for runc, then crun, where distributions install them", async () => {
    program("/usr/bin/crun", unasked);
    expect(await findRuntime({ root })).toEqual({ path: "/usr/bin/crun", name: "crun" });
    program("/usr/sbin/runc", unasked);
    expect(await findRuntime({ root })).toEqual({ path: "/usr/sbin/runc", name: "runc" });
    program("/usr/bin/runc", unasked);
    expect(await findRuntime({ root })).toEqual({ path: "/usr/bin/runc", name: "runc" });
  });

  it("19: gives the path that was configured, found below the root but not executed there", async () => {
    program("/opt/youki", unasked);
    program("/usr/bin/runc", unasked);
    expect(await findRuntime({ root, configured: "/opt/youki" })).toEqual({ path: "/opt/youki", name: "youki" });
  });

  it("19: a runtime that is not there is not installed", async () => {
    const wanted = { code: "E_RUNTIME", message: expect.stringContaining("/nope is not installed") };
    await expect(findRuntime({ root: "/", configured: "/nope" })).rejects.toMatchObject(wanted);
    await expect(findRuntime({ root })).rejects.toMatchObject({ code: "E_RUNTIME" });
  });

  it("19: a configured runtime is not replaced by another one", async () => {
    program("/usr/bin/runc", unasked);
    await expect(findRuntime({ root, configured: "/opt/none" })).rejects.toMatchObject({ code: "E_RUNTIME" });
  });

  it("a file without execute permission, and a directory, are no runtime", async () => {
    program("/usr/bin/runc", unasked, 0o644);
    mkdirSync(join(root, "usr/sbin/runc"), { recursive: true });
    await expect(findRuntime({ root })).rejects.toMatchObject({ code: "E_RUNTIME" });
  });

  it("a program that fails on --version is no runtime, and its complaint is passed on", async () => {
    const path = program("/bad", "#!/bin/sh\necho 'cannot load libfoo' >&2\nexit 127\n");
    const wanted = { code: "E_RUNTIME", message: expect.stringContaining("cannot load libfoo") };
    await expect(findRuntime({ root: "/", configured: path })).rejects.toMatchObject(wanted);
  });

  it("a file that the kernel cannot execute is no runtime", async () => {
    const path = program("/noise", "\u0001\u0002\u0003");
    await expect(findRuntime({ root: "/", configured: path })).rejects.toMatchObject({ code: "E_RUNTIME" });
  });

  it("asks with nothing of keelson's own environment", async () => {
    process.env.KEELSON_TEST_SECRET = "s3cret";
    const path = program("/env", "#!/bin/sh\necho env version 1-$KEELSON_TEST_SECRET\n");
    expect(await findRuntime({ root: "/", configured: path })).toEqual({ path, name: "env", version: "1-" });
    delete process.env.KEELSON_TEST_SECRET;
  });

  it.each(["runc", "./runc", "/opt/my runc", "/opt/r%n", "/opt/$X", '/opt/"r"', "/opt/r;reboot"])(
    "refuses the path %j, which could not stand in a unit",
    async (configured) => {
      await expect(findRuntime({ root, configured })).rejects.toMatchObject({ code: "E_RUNTIME" });
    },
  );
});
