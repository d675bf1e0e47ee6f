import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { environment, makeHost, runKeelson, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { scratchDirectory } from "../bed/scratch.ts";

/** What glibc itself consists of, as far as a program is linked with it. */
const glibc = /^(?:ld-linux-.*|libc|libdl|libm|libpthread|librt)\.so\.[0-9]+$/;

it("the built program needs nothing of its host but a shell and glibc", async () => {
  const root = scratchDirectory();
  const { sharedObjects } = process.report.getReport() as { readonly sharedObjects: readonly string[] };
  for (const path of sharedObjects.filter((object) => glibc.test(basename(object))))
    cpSync(path, join(root, path), { recursive: true, dereference: true });
  cpSync("/bin/busybox", join(root, "bin/sh"));
  cpSync(dirname(await builtProgram()), join(root, "opt/keelson"), { recursive: true });
  mkdirSync(join(root, "var/lib/keelson"), { recursive: true });
  // Which takes the lock, for which it calls libc.
  const ran = await runToEnd("chroot", [root, "/opt/keelson/keelson", "recover"], { env: environment });
  expect(ran).toEqual({ status: 0, stdout: "nothing to recover\n", stderr: "" });
});

it("Node takes its own modules as they come compiled, whatever the launcher asks of it", async () => {
  const program = await builtProgram();
  const home = scratchDirectory();
  const probe = join(home, "probe.cjs");
  writeFileSync(
    probe,
    `require("http");
    const { compiledWithCache, compiledWithoutCache } =
      require("internal/test/binding").internalBinding("builtins").getCacheUsage();
    console.log(JSON.stringify([compiledWithCache.size > 0, [...compiledWithoutCache]]));`,
  );
  symlinkSync(join(dirname(program), "lib"), join(home, "lib"));
  const launcher = readFileSync(program, "utf8").replace(
    '"$home/lib/main.js"',
    '--no-warnings --expose-internals "$@"',
  );
  writeFileSync(join(home, "keelson"), launcher, { mode: 0o755 });
  const ran = await runToEnd(join(home, "keelson"), [probe], { env: environment });
  expect(ran).toEqual({ status: 0, stdout: "[true,[]]\n", stderr: "" });
});

describe("units call keelson where the host has it", () => {
  const shelf = openShelf();
  let image: TestImage;
  beforeAll(async () => {
    image = await shelf.build({ layers: [{ "bin/sh": "" }], config: { entrypoint: ["/bin/sh"] } });
  });

  it("though it was called by a relative path", async () => {
    const program = await builtProgram();
    const host = await makeHost();
    const directory = dirname(program);
    const call = { program: `../${basename(directory)}/keelson`, cwd: directory };
    const { status, stderr } = await runKeelson(
      ["--root", host.root, "install", "--name", "foo", image.reference],
      call,
    );
    expect(status, stderr).toBe(0);
    expect(host.read("/etc/systemd/system/keelson-recover.service")).toContain(`\nExecStart=${program} recover\n`);
  });

  it("though it was called from outside", async () => {
    const host = await makeHost();
    cpSync(dirname(await builtProgram()), host.path("/opt/keelson"), { recursive: true });
    const program = host.path("/opt/keelson/keelson");
    const args = ["--root", `${host.root}/opt/..`, "install", "--name", "foo", image.reference];
    const { status, stderr } = await runKeelson(args, { program });
    expect(status, stderr).toBe(0);
    expect(host.read("/etc/systemd/system/keelson-recover.service")).toContain(
      "\nExecStart=/opt/keelson/keelson recover\n",
    );
  });
});
