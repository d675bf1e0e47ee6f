import { afterAll, beforeAll, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base } from "./payloads.ts";
import { buildVersions } from "./versions.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;
beforeAll(async () => {
  // Without /exports: with all that keelson's own config.json has, and a user other than root.
  const plain = await buildImage({
    layers: [
      base(
        "id -u >/data/user; grep CapBnd /proc/self/status >/data/caps; busybox ls /run | busybox tr '\\n' ' ' >/data/run; touch /tmp/b && exec busybox sleep 3600",
      ),
    ],
    config: {
      entrypoint: ["/bin/busybox", "sh", "/run.sh"],
      environment: ["PATH=/bin"],
      user: "1234:1234",
      volumes: ["/data"],
    },
  });
  images = { ...(await buildVersions()), plain };
  host = await bootHost(images);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

it("a container that is exported as a portable service runs as one, without keelson", async () => {
  await host.install("v1", "--name", "svc");
  const exported = await host.answer("export", "svc", "--as", "portable", "--output", "/root/svc");
  expect(exported).toMatchObject({ name: "svc", as: "portable", output: "/root/svc" });
  expect(exported.lost).toEqual([
    "its lines for systemd-tmpfiles, which go with keelson uninstall: keep a copy of /etc/tmpfiles.d/keelson-svc.conf",
    "its own namespace of processes: it sees those of the host",
    "a /run of its own: the profile trusted shows it the host's",
  ]);
  expect((await host.keelson("uninstall", "svc")).status).toBe(0);

  await host.machine.ok(["mkdir", "-p", "/var/lib/svc"]);
  await host.machine.ok(["portablectl", "attach", "--profile=trusted", "--now", "/root/svc"]);
  expect(await host.show("svc.service", "ActiveState", "RootDirectory")).toEqual({
    ActiveState: "active",
    RootDirectory: "/root/svc",
  });
  await expect.poll(() => host.machine.run(["cat", "/var/lib/svc/version"])).toMatchObject({ stdout: "1\n" });
  const main = (await host.show("svc.service", "MainPID")).MainPID;
  expect((await host.machine.run(["touch", `/proc/${main}/root/new`])).stderr).toContain("Read-only file system");

  await host.systemctl("stop", "svc.service");
  expect(await host.show("svc.service", "Result")).toEqual({ Result: "success" });
  await host.machine.ok(["portablectl", "detach", "/root/svc"]);
  expect((await host.show("svc.service", "LoadState")).LoadState).toBe("not-found");
});

it("so does one without /exports, by a user of its own", async () => {
  await host.install("plain");
  const { lost } = await host.answer("export", "plain", "--as", "portable", "--output", "/root/plain");
  expect(lost).toContain(
    "a user and a group that the host does not know: give it 1234 and 1234, with useradd, or it does not start",
  );
  await host.machine.ok(["groupadd", "--gid", "1234", "svc"]);
  await host.machine.ok(["useradd", "--uid", "1234", "--gid", "1234", "svc"]);
  expect((await host.keelson("uninstall", "plain")).status).toBe(0);
  // What its tmpfiles lines made has gone with it.
  await host.machine.ok(["install", "-d", "-o", "1234", "-g", "1234", "/var/lib/plain/data"]);
  await host.machine.ok(["portablectl", "attach", "--profile=trusted", "--now", "/root/plain"]);
  const read = (name: string) => host.machine.run(["cat", `/var/lib/plain/data/${name}`]);
  await expect.poll(() => read("user")).toMatchObject({ stdout: "1234\n" });
  await expect.poll(async () => (await read("caps")).stdout).toMatch(/^CapBnd:\t00000000a80425fb$/m);
  await expect.poll(async () => (await read("run")).stdout).toContain("dbus ");
  expect(await host.show("plain.service", "ActiveState")).toEqual({ ActiveState: "active" });
  await host.machine.ok(["portablectl", "detach", "--now", "/root/plain"]);
});
