import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base, ends } from "./payloads.ts";

/** Says when it is about to be ready, by the clock that systemd goes by. */
const tell = "busybox sleep 0.8; busybox cut -d' ' -f1 /proc/uptime >/data/at;";

function image(script: string, manifest: object, lines = ""): Promise<TestImage> {
  const config = {
    ociVersion: "1.0.2",
    process: {
      args: ["/bin/busybox", "sh", "/run.sh"],
      env: ["PATH=/bin:/usr/bin"],
      cwd: "/",
      user: { uid: 0, gid: 0 },
    },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/run", type: "tmpfs", source: "tmpfs" },
      { destination: "/data", type: "bind", source: "/run/$NAME", options: ["rbind", "rw"] },
      // Its perl, as busybox has nothing that listens by a name.
      ...["/usr", "/lib", "/lib64"].map((path) => ({
        destination: path,
        type: "bind",
        source: path,
        options: ["rbind", "ro"],
      })),
    ],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
  };
  const directories = ["usr", "lib", "lib64", "data"].map((path) => [path, { kind: "directory" }] as const);
  return buildImage({
    layers: [
      {
        ...base(script),
        ...Object.fromEntries(directories),
        "exports/config.json.template": JSON.stringify(config),
        "exports/service.template": `[Service]\nExecStart=$EXEC_START\n${lines}\n[Install]\nWantedBy=multi-user.target\n`,
        "exports/tmpfiles.template": "d /run/$NAME 0755 0 0 - -\n",
        "exports/manifest.json": JSON.stringify(manifest),
      },
    ],
  });
}

const listening =
  'use IO::Socket::UNIX; $SIG{TERM} = sub { exit 143 }; my $s = IO::Socket::UNIX->new(Local => "/run/x.sock", Listen => 1) or die; sleep';
const probes = {
  port: [`${tell} busybox httpd -f -p 7100 & wait`, { tcp: 7100 }],
  socket: [`${tell} exec perl -e '${listening}'`, { unix: "/run/x.sock" }],
  file: [`${tell} echo >/run/ready; ${ends}`, { file: "/run/ready" }],
  command: [`${tell} echo >/run/ready; ${ends}`, { command: ["/bin/busybox", "test", "-e", "/run/ready"] }],
} as const;
const kinds = Object.keys(probes) as readonly (keyof typeof probes)[];

let host: Host;
beforeAll(async () => {
  const trap = 'trap "exit 143" TERM; ';
  const built = kinds.map(async (kind) => {
    const [script, ready] = probes[kind];
    return [
      kind,
      await image(kind === "port" ? `${trap}${script}` : script, { provides: [`p/${kind}`], ready }),
    ] as const;
  });
  const [never, gone, next, notifies] = await Promise.all([
    image(ends, { ready: { tcp: 7200, timeout: "1s" } }),
    image("busybox sleep 0.3; exit 3", { ready: { tcp: 7200 } }),
    image(ends, { requires: kinds.map((kind) => ({ name: `p/${kind}`, ready: true })) }),
    image(`${tell} exec perl -e '${saysReady}'`, {}, "Type=notify"),
  ]);
  host = await bootHost({ ...Object.fromEntries(await Promise.all(built)), never, gone, next, notifies });
});
afterAll(() => host?.machine.stop());

const saysReady =
  '$SIG{TERM} = sub { exit 143 }; socket(my $s, 1, 2, 0) or die; send($s, "READY=1", 0, pack("Sa*", 1, $ENV{NOTIFY_SOCKET})) or die; sleep';

/** Seconds since the boot at which a unit was up, and those at which its container was ready. */
async function timesOf(name: string): Promise<{ readonly up: number; readonly ready: number }> {
  const { ActiveEnterTimestampMonotonic: up } = await host.show(`${name}.service`, "ActiveEnterTimestampMonotonic");
  return { up: Number(up) / 1e6, ready: Number(await host.machine.ok(["cat", `/run/${name}/at`])) };
}

describe("a container that does not say so itself", () => {
  it("74: is up when it is ready, by each probe, with what requires it behind it, at boot as well", async () => {
    for (const kind of kinds) await host.install(kind);
    await host.install("next");
    await host.reboot();
    const { ActiveState, ExecMainStartTimestampMonotonic, NRestarts } = await host.show(
      "next.service",
      "ActiveState",
      "ExecMainStartTimestampMonotonic",
      "NRestarts",
    );
    expect([ActiveState, NRestarts]).toEqual(["active", "0"]);
    for (const kind of kinds) {
      const { up, ready } = await timesOf(kind);
      expect(ready, kind).toBeGreaterThan(0);
      expect(up, kind).toBeGreaterThanOrEqual(ready);
      expect(Number(ExecMainStartTimestampMonotonic) / 1e6, kind).toBeGreaterThan(up);
    }
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("with crun is looked at in the same way", async () => {
    for (const name of ["next", "port", "command"]) await host.keelson("uninstall", name);
    for (const kind of ["port", "command"]) {
      await host.install(kind, "--runtime", "/usr/bin/crun", "--start");
      const { up, ready } = await timesOf(kind);
      expect(up, kind).toBeGreaterThanOrEqual(ready);
    }
  });

  it("and is not ready in time has failed to start, though somebody else listens on its port", async () => {
    const listen = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 7200, Listen => 1) or die; sleep";
    await host.machine.ok(["systemd-run", "--unit=other", "perl", "-e", listen]);
    await host.install("never");
    const { status } = await host.machine.run(["systemctl", "start", "never"]);
    expect(status).toBe(1);
    expect(await host.machine.ok(["journalctl", "-u", "never", "-o", "cat", "--no-pager"])).toContain(
      "it was not ready within 1 s: nothing of it listens on port 7200",
    );
    await host.keelson("uninstall", "never");
  });

  it("and ends before it is ready has failed at once", async () => {
    await host.put("/etc/systemd/system/gone.service.d/x.conf", "[Service]\nRestart=no\n");
    await host.install("gone");
    const begun = performance.now();
    expect((await host.machine.run(["systemctl", "start", "gone"])).status).toBe(1);
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(await host.machine.ok(["journalctl", "-u", "gone", "-o", "cat", "--no-pager"])).toContain(
      "it ended before it was ready",
    );
  });
});

it("74: one that says so itself is up when its READY=1 has come through the runtime", async () => {
  await host.install("notifies", "--start");
  const { up, ready } = await timesOf("notifies");
  expect(up).toBeGreaterThanOrEqual(ready);
});
