import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { environment, failureOf, makeHost, runKeelson, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";

const shelf = openShelf();
let etcd: TestImage;

beforeAll(async () => {
  etcd = await shelf.build({ layers: [etcdLike()] });
});

/** Every verb in an order in which each has something to do. */
const journey = (reference: string): readonly (readonly string[])[] => [
  ["pull", reference],
  ["images"],
  ["plan", "install", "--name", "foo", reference],
  ["install", "--name", "foo", reference],
  ["list"],
  ["info", "foo"],
  ["plan", "uninstall", "foo"],
  ["uninstall", "foo"],
  ["recover"],
];

it("--json makes the answer of every verb one document on standard output", async () => {
  const host = await makeHost();
  for (const args of journey(etcd.reference)) {
    const { status, stdout, stderr } = await host.keelson("--json", ...args);
    expect({ args, status }, stderr).toEqual({ args, status: args[0] === "plan" ? 10 : 0 });
    expect(JSON.parse(stdout), args.join(" ")).toEqual(expect.anything());
  }
});

it("--json makes a failure of every verb one document too, and says it on standard error as well", async () => {
  const host = await makeHost();
  const failing = [
    ["pull", "oci:/nowhere"],
    ["install", "oci:/nowhere"],
    ["info", "nothing"],
    ["uninstall", "nothing"],
    ["images", "-f", "x"],
    ["nonsense"],
  ];
  for (const args of failing) {
    const ran = await host.keelson("--json", ...args);
    const { code, message, hint } = failureOf(ran);
    expect(ran.status, args.join(" ")).toBeGreaterThan(0);
    expect(ran.stderr).toBe(`keelson: ${message} (${code})\n  ${hint}\n`);
  }
});

it("answers go to standard output, what is being done to standard error", async () => {
  const host = await makeHost();
  const { stdout, stderr } = await host.keelson("install", "--name", "foo", etcd.reference);

  expect(stdout).toMatch(/^installed foo from .*\nstart it with: systemctl start foo/);
  expect(stderr).toMatch(/^image sha256:.*\nlayer 1\/1 [0-9a-f]{12}: /);
  expect(stderr).toMatch(/^the image puts on the host: \/usr\/local\/bin\/fooctl$/m);
  expect(stderr).not.toContain("\u001b");
});

it("--quiet says nothing but the answer", async () => {
  const host = await makeHost();
  for (const args of journey(etcd.reference)) {
    const { status, stdout, stderr } = await host.keelson("--quiet", ...args);
    expect({ args, status, stderr }).toEqual({ args, status: args[0] === "plan" ? 10 : 0, stderr: "" });
    expect(stdout).not.toBe("");
  }
});

it("--quiet still says what went wrong", async () => {
  const host = await makeHost();
  const { stdout, stderr } = await host.keelson("-q", "info", "nothing");
  expect({ stdout, stderr }).toEqual({ stdout: "", stderr: expect.stringContaining("(E_NOT_FOUND)") });
});

describe("on a terminal", () => {
  /** Runs keelson with a terminal for all its streams. */
  async function onTerminal(...args: readonly string[]): Promise<string> {
    const line = [await builtProgram(), ...args].map((word) => `'${word}'`).join(" ");
    return (await runToEnd("script", ["-qefc", line, "/dev/null"], { cwd: "/", env: environment })).stdout;
  }

  it("a bar shows how far a layer is", async () => {
    const host = await makeHost();
    expect(await onTerminal("--root", host.root, "pull", etcd.reference)).toMatch(
      /\r\u001b\[K.*layer 1\/1 .*\[#*\.*\] /,
    );
  });

  it("--no-progress and --quiet show none", async () => {
    for (const option of ["--no-progress", "--quiet"]) {
      const host = await makeHost();
      expect(await onTerminal(option, "--root", host.root, "pull", etcd.reference)).not.toContain("\u001b");
    }
  });
});

it("a reader that goes away early is no failure", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  const line = `'${await builtProgram()}' --root '${host.root}' --json info foo; echo "status $?" >&2`;
  const { stderr } = await runToEnd("sh", ["-c", `{ ${line}; } | true`], { cwd: "/", env: environment });
  expect(stderr).toBe("status 0\n");
});

it("--help and --version answer on standard output, and touch nothing", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  expect((await host.keelson("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { status, stdout } = await host.keelson("--help");
  expect(status).toBe(0);
  for (const verb of ["install", "uninstall", "list", "info", "pull", "images", "recover"])
    expect(stdout).toContain(verb);
  expect((await host.keelson("install", "--help")).stdout).toContain("--keep-existing");
  expect(await host.snapshot()).toEqual(before);
});

describe("the program", () => {
  async function scratch(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "keelson-program-"));
    onTestFinished(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  it("runs from any directory, by a relative path, and through links to links", async () => {
    const program = await builtProgram();
    const directory = await scratch();
    await symlink(program, join(directory, "first"));
    await mkdir(join(directory, "bin"));
    await symlink("../first", join(directory, "bin/keelson"));

    const version = await runKeelson(["--version"]);
    expect(version.status).toBe(0);
    expect(await runKeelson(["--version"], { program: join(directory, "bin/keelson"), cwd: directory })).toEqual(
      version,
    );
    expect(await runKeelson(["--version"], { program: "bin/keelson", cwd: directory })).toEqual(version);
    expect(await runKeelson(["--version"], { program: "./keelson", cwd: dirname(program) })).toEqual(version);
    const bin = `${join(directory, "bin")}:${environment.PATH}`;
    expect(await runKeelson(["--version"], { program: "keelson", environment: { PATH: bin } })).toEqual(version);
  });

  it("runs on its own Node when another one comes first in PATH", async () => {
    const directory = await scratch();
    await writeFile(join(directory, "node"), "#!/bin/sh\necho the wrong node\nexit 99\n");
    await chmod(join(directory, "node"), 0o755);
    const host = await makeHost();
    const ran = await runKeelson(["--root", host.root, "--json", "install", "--name", "foo", etcd.reference], {
      environment: { PATH: `${directory}:${environment.PATH}` },
    });
    expect(ran.status, ran.stderr).toBe(0);
  });

  it("can be copied elsewhere as a whole, to a path with a space", async () => {
    const directory = join(await scratch(), "a b");
    await cp(dirname(await builtProgram()), directory, { recursive: true });
    const host = await makeHost();
    const ran = await runKeelson(["--root", host.root, "install", "--name", "foo", etcd.reference], {
      program: join(directory, "keelson"),
    });
    expect(ran.status, ran.stderr).toBe(0);
  });

  it("says its version within 2.5 times the start of its bare Node", { retry: 5 }, async () => {
    const program = await builtProgram();
    const node = join(dirname(program), "lib/node");
    const [keelson, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < 15; round++) {
      keelson.push(timeOf(program, "--version"));
      bare.push(timeOf(node, "-e", "0"));
    }
    expect(median(keelson)).toBeLessThanOrEqual(2.5 * median(bare));
  });
});

/** Milliseconds a run takes from start to end. */
function timeOf(program: string, ...args: readonly string[]): number {
  const start = performance.now();
  const { status } = spawnSync(program, args, { env: environment, stdio: "ignore" });
  expect(status).toBe(0);
  return performance.now() - start;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0;
}
