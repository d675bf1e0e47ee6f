import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Probe } from "../../src/contract/readiness.ts";
import { readinessScript, readyWhenHealthy, withReadiness } from "../../src/plan/readiness.ts";
import type { ExecPlaces } from "../../src/plan/unit.ts";
import { runToEnd } from "../bed/journey.ts";

const places: ExecPlaces = {
  name: "etcd",
  runtime: "/bin/echo",
  runtimeName: "runc",
  destdir: "/var/lib/keelson/deployments/etcd/current",
  runtimeState: "/run/runc",
  manager: { path: "", slice: "system" },
  pidFile: "/run/container-etcd.pid",
  stopSignal: "SIGTERM",
  hasSocket: false,
};
const file: Probe = { kind: "file", path: "/x" };

describe("a unit that waits until its container is ready", () => {
  it("runs the script of the deployment behind the start, and has the time it takes", () => {
    const wait = (timeout: number, text = "[Service]\n"): string =>
      withReadiness(text, { probe: file, interval: 100, timeout }, "forking", places);
    const post = "ExecStartPost=/bin/sh /var/lib/keelson/deployments/etcd/current/ready.sh\n";
    expect(wait(60_000)).toBe(`[Service]\n\n# Added by keelson: up is what is ready.\n[Service]\n${post}`);
    expect(wait(300_000)).toContain(`${post}TimeoutStartSec=310\n`);
    expect(wait(300_000, "[Service]\nTimeoutStartSec=5\n").match(/TimeoutStartSec/g)).toHaveLength(1);
  });

  it.each(["attached", "embedded", "none"] as const)("cannot be one that is %s", (launch) => {
    expect(() => withReadiness("", { probe: file, interval: 1, timeout: 1 }, launch, places)).toThrow(
      expect.objectContaining({ code: "E_UNIT" }),
    );
  });
});

/** The script for a process that is there, run by this shell. */
async function run(shell: readonly string[], probe: Probe, pid = process.pid) {
  const directory = mkdtempSync(join(tmpdir(), "keelson-ready-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const pidFile = join(directory, "it's the pid");
  writeFileSync(pidFile, String(pid));
  const script = join(directory, "ready.sh");
  writeFileSync(script, readinessScript({ probe, interval: 20, timeout: 1000 }, { ...places, pidFile }));
  const [program = "", ...args] = shell;
  const { status, stderr } = await runToEnd(program, [...args, script]);
  return [status, stderr];
}

it("a service is ready when it is healthy, where its script runs the very command of its health check", () => {
  const command = ["/bin/check", "it's\nwell"];
  const ready = (probe: Probe, health: readonly string[] | undefined): boolean => {
    const script = readinessScript({ probe, interval: 100, timeout: 1000 }, places);
    const check = health && { command: health, interval: 1000, timeout: 1000, retries: 1 };
    const service = {
      unit: "",
      path: "",
      text: "",
      enabled: true,
      links: [],
      probe: script,
      ...(check && { health: check }),
    };
    return readyWhenHealthy({ name: places.name, runtime: places.runtime, service });
  };
  expect(ready({ kind: "command", command }, command)).toBe(true);
  expect(ready({ kind: "command", command }, ["/bin/check"])).toBe(false);
  expect(ready({ kind: "command", command }, undefined)).toBe(false);
  expect(ready(file, command)).toBe(false);
});

describe.each([[["/bin/dash"]], [["/bin/bash"]], [["/bin/busybox", "sh"]]])("its script, read by %s", (shell) => {
  const late = (why: string) => [1, `it was not ready within 1 s: ${why} \n`];

  it("finds a port and a socket when something listens on them, and not before", async () => {
    const directory = mkdtempSync(join(tmpdir(), "keelson-ready-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const server = createServer().listen(0, "127.0.0.1");
    const named = createServer().listen(join(directory, "it's a socket"));
    onTestFinished(() => {
      for (const each of [server, named]) each.close();
    });
    await Promise.all([server, named].map((each) => once(each, "listening")));
    const { port } = server.address() as { readonly port: number };
    expect(await run(shell, { kind: "tcp", port })).toEqual([0, ""]);
    expect(await run(shell, { kind: "unix", path: join(directory, "it's a socket") })).toEqual([0, ""]);
    expect(await run(shell, { kind: "unix", path: join(directory, "none") })).toEqual(
      late(`nothing of it listens on ${join(directory, "none")}`),
    );
    server.close();
    await once(server, "close");
    expect(await run(shell, { kind: "tcp", port })).toEqual(late(`nothing of it listens on port ${port}`));
  });

  it("finds a file, and takes a path for nothing else", async () => {
    expect(await run(shell, { kind: "file", path: "/bin/sh" })).toEqual([0, ""]);
    const path = "/it's $(touch /tmp/never) `false`";
    expect(await run(shell, { kind: "file", path })).toEqual(late(`there is no ${path} in it`));
  });

  it("tells when the container has ended", async () => {
    const child = spawn("/bin/true");
    await once(child, "close");
    expect(await run(shell, file, child.pid)).toEqual([1, "it ended before it was ready\n"]);
  });

  it("runs a command by the runtime", async () => {
    expect(await run(shell, { kind: "command", command: ["a b", "$HOME"] })).toEqual([0, ""]);
  });
});
