import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import type { Result } from "../bed/nspawn.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { base, ends } from "./payloads.ts";

const config = {
  ociVersion: "1.0.2",
  process: { args: ["/bin/busybox", "sh", "-c", "$SCRIPT"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
  root: { path: "rootfs", readonly: true },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["newinstance", "ptmxmode=0666", "mode=0620"],
    },
    { destination: "/data", type: "bind", source: "$RUN_DIRECTORY/$NAME", options: ["rbind", "rw"] },
    { destination: "/state", type: "bind", source: "$STATE_DIRECTORY/$NAME", options: ["rbind", "rw"] },
  ],
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
};

function image(script: string): Promise<TestImage> {
  return buildImage({
    layers: [
      {
        ...base("exit 1"),
        data: { kind: "directory" },
        state: { kind: "directory" },
        "dev/pts": { kind: "directory" },
        "exports/service.template": "[Service]\nExecStart=$EXEC_START\n[Install]\nWantedBy=multi-user.target\n",
        "exports/config.json.template": JSON.stringify(config),
        "exports/manifest.json": JSON.stringify({ defaultValues: { SCRIPT: script } }),
      },
    ],
  });
}

let host: Host;
beforeAll(async () => {
  const [box, bare] = await Promise.all([image(`echo I am up; ${ends}`), image("echo $0 all alone; exit 6")]);
  host = await bootHost({ box, bare });
  await host.install("box", "--start");
});
afterAll(() => host?.machine.stop());

const sh = (script: string): readonly string[] => ["/bin/busybox", "sh", "-c", script];
const seen = "busybox tty; busybox cat /proc/1/cmdline | busybox tr '\\0' ' '; busybox pwd; exit 7";

/**
 * On a terminal of its own, of which this is all that was written there. When its input ends, script types a NUL, which the
 * terminal echoes between whatever else is written at that moment.
 */
async function onTerminal(...args: readonly string[]): Promise<Result> {
  const line = [host.program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const result = await host.machine.run(["script", "--quiet", "--return", "--command", line, "/dev/null"]);
  return { ...result, stdout: result.stdout.replace("^@", "") };
}

const leftovers = async (): Promise<string> =>
  host.machine.ok(["sh", "-c", "ls /run/runc; find /var/lib/keelson/once 2>&1; mount | grep -c keelson"]).catch(String);

describe("76: exec", () => {
  it("in a container that runs is in that container, without a terminal where there is none", async () => {
    const { status, stdout } = await host.keelson("exec", "box", ...sh(seen));
    expect(stdout).toMatch(/^not a tty\n\/bin\/busybox sh -c echo I am up.*\/\n$/s);
    expect(status).toBe(7);
  });

  it("on a terminal gives the command one", async () => {
    const { status, stdout } = await onTerminal("exec", "box", ...sh(seen));
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\n\/bin\/busybox sh -c echo I am up/);
    expect(status).toBe(7);
  });

  it("hands on input, options that look like keelson's, and the signal that ends the command", async () => {
    const { machine, program } = host;
    expect(await machine.ok([program, "exec", "box", "/bin/busybox", "cat", "-"], { input: "in\n" })).toBe("in\n");
    expect((await host.keelson("exec", "box", "/bin/busybox", "echo", "--json", "-q")).stdout).toBe("--json -q\n");
    expect((await host.keelson("exec", "box", ...sh("kill -KILL $$"))).status).toBe(137);
    const ended =
      'mkfifo /run/said; "$@" >/run/said & p=$!; read -r said </run/said; kill -TERM $p; wait $p; echo $? $said';
    const sleeper = [program, "exec", "box", ...sh("echo asleep; exec busybox sleep 1000")];
    expect(await machine.ok(["sh", "-c", ended, "-", ...sleeper])).toBe("143 asleep\n");
  });

  it("in one that is stopped runs the command in place of its own, and makes what is missing below /run", async () => {
    await host.systemctl("stop", "box");
    await host.machine.ok(["rm", "-rf", "/run/box"]);
    const { status, stdout, stderr } = await host.keelson("exec", "box", ...sh(`echo kept >/data/it; ${seen}`));
    expect(stdout, stderr).toMatch(/^not a tty\n\/bin\/busybox sh -c echo kept/);
    expect(status).toBe(7);
    expect(await host.machine.ok(["cat", "/run/box/it"])).toBe("kept\n");
    expect((await onTerminal("exec", "box", ...sh(seen))).stdout).toMatch(/^\/dev\/pts\/\d+\r\n\/bin\/busybox sh -c/);
    expect((await host.show("box.service", "ActiveState")).ActiveState).toBe("inactive");
    expect(await leftovers()).not.toContain("box-");
    await host.systemctl("start", "box");
  });

  it("says which container there is not", async () => {
    const { status, stderr } = await host.keelson("exec", "nobody", "ls");
    expect([status, stderr]).toEqual([3, expect.stringContaining("E_NOT_FOUND")]);
  });
});

describe("run", () => {
  it("of a container is a new one beside it, a child of the shell, and gone afterwards", async () => {
    const { status, stdout, stderr } = await host.keelson("run", "box", ...sh(`${seen}`));
    expect(stdout, stderr).toMatch(/^not a tty\n\/bin\/busybox sh -c busybox tty/);
    expect(status).toBe(7);
    expect((await host.show("box.service", "ActiveState")).ActiveState).toBe("active");
  });

  it("of an image fetches it, runs its own command, and leaves nothing", async () => {
    const how = ["--tls-verify=false", "--set", "SCRIPT=echo five >/state/it; cat /state/it; echo >/own; exit 5"];
    const { status, stdout, stderr } = await host.keelson("run", ...how, inRegistry("bare"));
    expect([stdout, status], stderr).toEqual(["five\n", 5]);
    expect(await leftovers()).not.toContain("bare");
    for (const path of ["/var/lib/bare", "/run/bare", "/etc/systemd/system/bare.service"])
      expect((await host.machine.run(["test", "-e", path])).status, path).toBe(1);
  });

  it("of an image runs another command on a terminal", async () => {
    const { status, stdout } = await onTerminal("-q", "run", "--tls-verify=false", inRegistry("bare"), ...sh(seen));
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\n\/bin\/busybox sh -c busybox tty/);
    expect(status).toBe(7);
  });
});

describe("shell, top and logs", () => {
  it("shell runs what the image has of shells", async () => {
    const { machine, program } = host;
    const { stdout, status } = await machine.run([program, "shell", "box"], { input: "echo in $$; exit 3\n" });
    expect([stdout, status]).toEqual([expect.stringMatching(/^in \d+\n$/), 3]);
  });

  it("top shows the processes of a container as the host sees them", async () => {
    const { MainPID: pid } = await host.show("box.service", "MainPID");
    const rows = (await host.answer("top", "box")) as unknown as readonly Record<string, unknown>[];
    const [first] = rows;
    expect(first).toMatchObject({ name: "box", pid: Number(pid), uid: 0, state: "S" });
    expect(first?.command).toContain("/bin/busybox sh -c echo I am up");
    expect(rows.length).toBe(2);
    expect((await host.keelson("top")).stdout).toMatch(/^NAME +PID .*\nbox +\d+ +0 +S +/);
    await host.systemctl("stop", "box");
    expect((await host.keelson("top", "box")).stdout).toBe("");
    await host.systemctl("start", "box");
  });

  it("logs shows what the service wrote, and follows it", async () => {
    expect((await host.keelson("logs", "box", "-n", "50")).stdout).toContain("box[");
    expect((await host.keelson("logs", "box")).stdout).toContain("I am up");
    // What it shows first tells that it is there.
    const watch =
      '{ "$1" logs -f -n 1 box & echo $! >/run/p; wait; } | { read -r first; systemctl restart box; sed "/I am up/q"; kill $(cat /run/p); }';
    expect((await host.machine.run(["sh", "-c", watch, "-", host.program])).stdout).toContain("I am up");
  });
});
