import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DiskChanges, differingPaths, readDiskChanges } from "../../examples/demo/disk-changes.ts";
import { builtExamples } from "../bed/examples.ts";
import type { TestImage } from "../bed/images.ts";
import { bootHost, type Host, hasController, inRegistry, processesOf } from "./host.ts";
import { buildPayloads } from "./payloads.ts";
import { traceKeelson } from "./trace.ts";

const units = "/etc/systemd/system";
let payloads: Readonly<Record<string, TestImage>>;
let host: Host;
let before: DiskChanges;

beforeAll(async () => {
  payloads = await buildPayloads();
  const { etcd, "hello-world": hello } = await builtExamples();
  host = await bootHost({ ...payloads, etcd, "hello-world": hello });
  before = readDiskChanges(host.machine);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(payloads ?? {}).map((image) => image.remove()));
});

const stateOf = (name: string) => host.show(`${name}.service`, "ActiveState", "Result", "UnitFileState");
const greeting = (): Promise<string> => host.machine.ok(["curl", "-sS", "--fail", "http://127.0.0.1:8081/"]);
const removed = async (name: string): Promise<void> => {
  const { status, stderr } = await host.keelson("uninstall", "--purge", name);
  expect(status, stderr).toBe(0);
};

describe("a service out of a registry", () => {
  it("2: install reloads systemd, makes what tmpfiles lines declare, enables, and starts nothing", async () => {
    const trace = await traceKeelson(host, "install", "--system", "--tls-verify=false", inRegistry("etcd"));
    const operations = trace.filter((line) => /^(?!put|remove)/.test(line) || line === `put ${units}/etcd.service`);
    expect(operations).toEqual([
      `put ${units}/etcd.service`,
      "Reload",
      "systemd-tmpfiles --create",
      "EnableUnitFiles",
      "Reload",
    ]);
    expect(await stateOf("etcd")).toEqual({ ActiveState: "inactive", Result: "success", UnitFileState: "enabled" });
  });

  it("57: uninstall stops, disables, removes the unit, reloads, removes what tmpfiles lines say, host files, link, deployments", async () => {
    await host.systemctl("start", "etcd");
    const trace = await traceKeelson(host, "uninstall", "etcd");
    const deployments = "/var/lib/keelson/deployments/etcd";
    const wanted = [
      ...["StopUnit", "DisableUnitFiles", `remove ${units}/etcd.service`, "Reload", "systemd-tmpfiles --remove"],
      ...["remove /etc/tmpfiles.d/keelson-etcd.conf", "remove /etc/etcd/etcd.conf", "remove /usr/local/bin/etcdctl"],
      // The second time for the recovery unit, which goes with the last container.
      ...[`remove ${deployments}/current`, "Reload"],
    ];
    expect(trace.filter((line) => wanted.includes(line))).toEqual(wanted);
    const link = trace.indexOf(`remove ${deployments}/current`);
    const tree = trace.indexOf(`remove ${deployments}`);
    expect(tree).toBeGreaterThan(link);
    expect(existsSync(join(host.machine.root, deployments))).toBe(false);
  });

  it("is installed, starts with systemctl, answers, and stops as inactive", async () => {
    const { stdout } = await host.install("hello-world", "--set", "RECEIVER=boot test");
    expect(stdout).toContain("systemctl start hello-world");
    expect(await stateOf("hello-world")).toMatchObject({ ActiveState: "inactive", UnitFileState: "enabled" });
    await host.systemctl("start", "hello-world");
    await expect.poll(greeting, { timeout: 20_000 }).toBe("Hello boot test\n");
    await host.systemctl("stop", "hello-world");
    expect(await stateOf("hello-world")).toMatchObject({ ActiveState: "inactive", Result: "success" });
    await host.systemctl("start", "hello-world");
  });

  it("75: its processes are in the service's cgroup, as systemctl status shows, and no helper stays beside them", async () => {
    const group = "/system.slice/hello-world.service/container";
    const groups = Object.values(await processesOf(host, "hello-world"));
    expect(groups.length).toBeGreaterThan(0);
    expect(new Set(groups)).toEqual(new Set([group]));
    expect(await host.systemctl("status", "hello-world")).toMatch(/hello-world\.service\n\s+└─container\n.*run\.sh/);
    const programs = (await host.machine.ok(["ps", "-e", "-o", "comm="])).split("\n");
    expect(programs.filter((name) => /runc|crun|conmon|shim|podman|dockerd|keelson/.test(name))).toEqual([]);
  });

  it("75: MemoryMax=, TasksMax= and Slice= of a drop-in hold for it; limits are looked for in the cgroup where the kernel has controllers", async () => {
    await host.put(
      `${units}/hello-world.service.d/limits.conf`,
      "[Service]\nMemoryMax=64M\nTasksMax=40\nSlice=web.slice\n",
    );
    await host.systemctl("daemon-reload");
    await host.systemctl("restart", "hello-world");
    expect(await host.show("hello-world.service", "MemoryMax", "TasksMax", "ControlGroup")).toEqual({
      MemoryMax: String(64 * 1024 * 1024),
      TasksMax: "40",
      ControlGroup: "/web.slice/hello-world.service",
    });
    expect(new Set(Object.values(await processesOf(host, "hello-world")))).toEqual(
      new Set(["/web.slice/hello-world.service/container"]),
    );
    for (const [controller, file, value] of [
      ["memory", "memory.max", "67108864"],
      ["pids", "pids.max", "40"],
    ] as const) {
      if (!(await hasController(host, controller))) continue;
      const path = `/sys/fs/cgroup/web.slice/hello-world.service/${file}`;
      expect((await host.machine.ok(["cat", path])).trim()).toBe(value);
    }
  });

  it("its root cannot be written to, nor can it leave anything in its deployment", async () => {
    const script =
      "for path in /probe /usr/bin/probe /exports/probe; do echo x >$path; done; echo x >/tmp/probe && echo tmp";
    const { stdout, stderr } = await host.machine.run([
      "runc",
      "exec",
      "--user",
      "0",
      "hello-world",
      "/bin/busybox",
      "sh",
      "-c",
      script,
    ]);
    expect(stdout).toBe("tmp\n");
    expect(stderr.match(/Read-only file system/g)).toHaveLength(3);
    const found = readdirSync(join(host.machine.upper, "var/lib/keelson/deployments/hello-world/1"), {
      recursive: true,
    });
    expect(found.filter((path) => String(path).includes("probe"))).toEqual([]);
  });

  it("a reboot brings it up again", async () => {
    await host.reboot();
    expect(await stateOf("hello-world")).toMatchObject({ ActiveState: "active" });
    expect(await greeting()).toBe("Hello boot test\n");
  });

  it("77: what a runtime has left under its name does not keep it from starting", async () => {
    await host.systemctl("stop", "hello-world");
    const bundle = "/var/lib/keelson/deployments/hello-world/current";
    const create = `runc create --bundle ${bundle} hello-world </dev/null >/dev/null 2>&1`;
    await host.machine.ok(["sh", "-c", `${create}; runc state hello-world`]);
    await host.systemctl("start", "hello-world");
    await expect.poll(greeting, { timeout: 20_000 }).toBe("Hello boot test\n");
  });

  it("77: nor does the empty directory of a start that was cut short", async () => {
    await host.systemctl("stop", "hello-world");
    await host.machine.ok(["mkdir", "/run/runc/hello-world"]);
    await host.systemctl("start", "hello-world");
    await expect.poll(greeting, { timeout: 20_000 }).toBe("Hello boot test\n");
  });

  it("77: it comes back by itself when its first process is killed", async () => {
    const { MainPID: pid = "" } = await host.show("hello-world.service", "MainPID");
    await host.machine.ok(["kill", "-9", pid]);
    const restarts = async () => await host.show("hello-world.service", "NRestarts", "ActiveState");
    await expect.poll(restarts, { timeout: 20_000 }).toEqual({ NRestarts: "1", ActiveState: "active" });
  });

  it("58: a stop that systemd refuses ends uninstall before anything is removed", async () => {
    await host.put(`${units}/hello-world.service.d/refuse.conf`, "[Unit]\nRefuseManualStop=yes\n");
    await host.systemctl("daemon-reload");
    const was = readDiskChanges(host.machine);
    const { status, stderr } = await host.keelson("uninstall", "hello-world");
    expect(status).toBe(1);
    expect(stderr).toContain("(E_STOP)");
    // The lock names the command that had it last.
    expect(differingPaths(was, readDiskChanges(host.machine))).toEqual(["/var/lib/keelson/lock"]);
    expect(await stateOf("hello-world")).toMatchObject({ ActiveState: "active", UnitFileState: "enabled" });
    expect(await greeting()).toBe("Hello boot test\n");
    await host.machine.ok(["rm", "-r", `${units}/hello-world.service.d`]);
    await host.systemctl("daemon-reload");
    await removed("hello-world");
  });

  it("58: one that does not end at SIGTERM is killed after its TimeoutStopSec= and then removed", async () => {
    await host.install("stubborn", "--start");
    await removed("stubborn");
    expect(await host.show("stubborn.service", "LoadState")).toEqual({ LoadState: "not-found" });
  });
});

describe("an image without /exports", () => {
  it("9, 10: runs its entrypoint and command with its environment, user and directory; its volume is on the host", async () => {
    await host.install("plain", "--start");
    const seen = () => host.machine.run(["cat", "/var/lib/plain/data/seen"]).then(({ stdout }) => stdout);
    await expect.poll(seen, { timeout: 20_000 }).toBe("/work 1000:1000 good day, five o'clock\n");
    expect(new Set(Object.values(await processesOf(host, "plain")))).toEqual(
      new Set(["/system.slice/plain.service/container"]),
    );
  });

  it("73: stopped, it exits 143 and is inactive, not failed", async () => {
    // Otherwise systemd forgets a unit that is not running and that nothing it has read wants.
    await host.systemctl("daemon-reload");
    await host.systemctl("stop", "plain");
    expect(await host.show("plain.service", "ActiveState", "Result", "ExecMainStatus")).toEqual({
      ActiveState: "inactive",
      Result: "success",
      ExecMainStatus: "143",
    });
    expect(await host.machine.ok(["runc", "list", "-q"])).toBe("");
  });
});

describe("an image written for an old runtime", () => {
  it("79: starts, with a warning for each thing that had to be changed", async () => {
    const { stderr } = await host.install("old", "--start");
    for (const word of ["mode=755", "type rbind", "selinuxLabel", "process.capabilities"]) {
      expect(stderr).toMatch(new RegExp(`^warning: .*${word}`, "m"));
    }
    const seen = () => host.machine.run(["cat", "/var/lib/old/seen"]).then(({ stdout }) => stdout);
    // CAP_KILL is bit 5, CAP_NET_BIND_SERVICE bit 10.
    await expect.poll(seen, { timeout: 20_000 }).toMatch(/^CapEff:\t0000000000000420$/m);
  });
});

describe("a service that does not come up", () => {
  it("--start ends with status 5 and what the service said; it stays installed, to be looked at", async () => {
    const reference = inRegistry("broken");
    const { status, stderr } = await host.keelson("install", "--system", "--tls-verify=false", "--start", reference);
    expect(status).toBe(5);
    expect(stderr).toContain("(E_START)");
    expect(stderr).toContain("the database cannot be opened");
    expect(await stateOf("broken")).toMatchObject({ ActiveState: "failed", UnitFileState: "enabled" });
    const list = (await host.answer("list")) as unknown as readonly { readonly name: string; readonly state: string }[];
    expect(list.find(({ name }) => name === "broken")).toMatchObject({ state: "failed" });
  });
});

describe("afterwards", () => {
  it("73: systemd finds nothing to say about any unit that was made", async () => {
    await host.install("hello-world");
    await host.install("etcd");
    const names = ["broken", "etcd", "hello-world", "old", "plain"].map((name) => `${units}/${name}.service`);
    expect(await host.machine.run(["systemd-analyze", "verify", ...names])).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
  });

  it("uninstalled with --purge, they leave the disk as it was", async () => {
    for (const name of ["broken", "etcd", "hello-world", "old", "plain"]) await removed(name);
    expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
  });
});
