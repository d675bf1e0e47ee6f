import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differingPaths, readDiskChanges } from "../../examples/demo/disk-changes.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base } from "./payloads.ts";

/** Accepts on the socket it was given, says what it knows of that, and hangs up. */
const serve = `
$SIG{TERM} = sub { exit 143 };
if (my $to = $ENV{NOTIFY_SOCKET}) {
  socket(my $s, 1, 2, 0) or die "socket: $!";
  send($s, "READY=1", 0, pack("Sa*", 1, $to)) or die "send: $!";
}
open(my $listening, "+<&=", 3) or die "no socket: $!";
while (accept(my $peer, $listening)) { syswrite $peer, "$ENV{LISTEN_FDS} for $ENV{LISTEN_PID}, $$ says $ENV{WORD}\\n" }`;

/** The host's own perl, as busybox cannot accept. */
const config = (...args: readonly string[]): string =>
  JSON.stringify({
    ociVersion: "1.0.2",
    process: { args, env: ["PATH=/usr/bin:/bin", "WORD=$WORD"], cwd: "/", user: { uid: 0, gid: 0 } },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/run", type: "tmpfs", source: "tmpfs" },
      ...["/usr", "/lib", "/lib64"].map((path) => ({
        destination: path,
        type: "bind",
        source: path,
        options: ["rbind", "ro"],
      })),
      { destination: "/data", type: "bind", source: "/var/lib/$NAME", options: ["rbind", "rw"] },
    ],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
  });

function image(args: readonly string[], files: Readonly<Record<string, string>>): Promise<TestImage> {
  const directories = ["usr", "lib", "lib64", "data"].map((path) => [path, { kind: "directory" }] as const);
  return buildImage({
    layers: [
      {
        ...base("true"),
        ...Object.fromEntries(directories),
        "exports/config.json.template": config(...args),
        "exports/tmpfiles.template": "d /var/lib/$NAME 0755 0 0 - -\n",
        "exports/manifest.json": '{"defaultValues": {"WORD": "good day"}}',
        ...files,
      },
    ],
  });
}

let host: Host;
let images: readonly TestImage[];
beforeAll(async () => {
  const perl = ["/usr/bin/perl", "-e", serve.replaceAll("$", "$$$$")];
  images = await Promise.all([
    image(perl, {}),
    image(perl, {
      "exports/service.template": "[Service]\nType=notify\nExecStart=$EXEC_START\n",
      "exports/socket.template": "[Socket]\nListenStream=/run/$NAME.sock\n[Install]\nWantedBy=sockets.target\n",
    }),
    image(["/bin/busybox", "sh", "-c", "echo $$$$ >>/data/ran"], {
      "exports/service.template": "[Service]\nType=oneshot\nExecStart=$EXEC_START\n",
      "exports/timer.template": "[Timer]\nOnActiveSec=300ms\nAccuracySec=1ms\n[Install]\nWantedBy=timers.target\n",
    }),
  ]);
  const [plain, notify, job] = images as [TestImage, TestImage, TestImage];
  host = await bootHost({ plain, notify, job });
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all((images ?? []).map((each) => each.remove()));
});

/** What comes of a connection, from a port or a path. */
const answerOf = (address: string): Promise<string> =>
  host.machine.ok([
    "perl",
    "-MIO::Socket",
    "-e",
    'my $a = shift; my $s = ($a =~ m{^/} ? IO::Socket::UNIX->new(Peer => $a) : IO::Socket::INET->new(PeerAddr => $a)) or die "$a: $!"; print <$s>',
    address,
  ]);

const stateOf = async (unit: string): Promise<string | undefined> => (await host.show(unit, "ActiveState")).ActiveState;

describe.each([
  {
    title: "a port of --listen, the unit keelson's own",
    name: "plain",
    listen: ["127.0.0.1:7001"],
    at: "127.0.0.1:7001",
  },
  {
    title: "the same with crun",
    name: "plain",
    listen: ["127.0.0.1:7002"],
    at: "127.0.0.1:7002",
    runtime: "/usr/bin/crun",
  },
  { title: "the image's own socket, in a unit of Type=notify", name: "notify", listen: [], at: "/run/notify.sock" },
])("a socket: $title", ({ name, listen, at, runtime }) => {
  it("is what is enabled and started; its first connection starts the container, at every boot", async () => {
    const before = readDiskChanges(host.machine);
    const options = [...listen.flatMap((address) => ["--listen", address]), ...(runtime ? ["--runtime", runtime] : [])];
    const { stdout } = await host.install(name, "--start", ...options);
    expect(stdout).toContain(`started ${name}.socket`);
    expect([await stateOf(`${name}.socket`), await stateOf(`${name}.service`)]).toEqual(["active", "inactive"]);
    const socket = { unit: `${name}.socket`, state: "active", listen: [{ type: "Stream", address: at }] };
    expect(await host.answer("list")).toMatchObject([{ name, state: "inactive", sockets: [socket] }]);
    expect(await host.answer("status")).toMatchObject({ clean: true, containers: [{ name, sockets: [socket] }] });
    expect(await answerOf(at)).toBe("1 for 1, 1 says good day\n");
    expect(await stateOf(`${name}.service`)).toBe("active");
    expect(await answerOf(at)).toBe("1 for 1, 1 says good day\n");

    await host.reboot();
    expect([await stateOf(`${name}.socket`), await stateOf(`${name}.service`)]).toEqual(["active", "inactive"]);
    expect(await answerOf(at)).toBe("1 for 1, 1 says good day\n");

    const updated = await host.keelson(
      "update",
      "--tls-verify=false",
      "--soak=500ms",
      "--set",
      "WORD=good night",
      name,
    );
    expect(updated.status, updated.stderr).toBe(0);
    expect(await stateOf(`${name}.service`)).toBe("active");
    expect(await answerOf(at)).toBe("1 for 1, 1 says good night\n");
    expect((await host.keelson("verify")).status).toBe(0);
    await host.systemctl("stop", `${name}.service`);
    expect((await host.keelson("rollback", "--soak=500ms", name)).status).toBe(0);
    expect([await stateOf(`${name}.socket`), await stateOf(`${name}.service`)]).toEqual(["active", "inactive"]);
    expect(await answerOf(at)).toBe("1 for 1, 1 says good day\n");

    const { status, stderr } = await host.keelson("uninstall", "--purge", name);
    expect(status, stderr).toBe(0);
    expect([await stateOf(`${name}.socket`), await stateOf(`${name}.service`)]).toEqual(["inactive", "inactive"]);
    expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
  });
});

it("a timer starts its container when it is time, and again after the next boot", async () => {
  const before = readDiskChanges(host.machine);
  const runs = async (): Promise<number> =>
    (await host.machine.run(["cat", "/var/lib/job/ran"])).stdout.split("\n").length - 1;
  await host.install("job", "--start");
  expect(await stateOf("job.timer")).toBe("active");
  await expect.poll(runs, { timeout: 20_000 }).toBe(1);
  await host.reboot();
  await expect.poll(runs, { timeout: 20_000 }).toBe(2);
  await expect.poll(() => stateOf("job.service"), { timeout: 20_000 }).toBe("inactive");
  expect((await host.show("job.service", "Result")).Result).toBe("success");
  const { status, stderr } = await host.keelson("uninstall", "--purge", "job");
  expect(status, stderr).toBe(0);
  expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
});
