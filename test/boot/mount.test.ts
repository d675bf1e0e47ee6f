import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestImage } from "../bed/images.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { buildVersions } from "./versions.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;
beforeAll(async () => {
  images = await buildVersions();
  host = await bootHost(images);
  await host.install("v1", "--name", "svc");
  await host.machine.ok(["mkdir", "-p", "/mnt/a b", "/mnt/full/of"]);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

const place = "/mnt/a b";
const mounts = "/var/lib/keelson/mounts";
const there = async (path: string): Promise<boolean> => (await host.machine.run(["test", "-e", path])).status === 0;
const optionsAt = async (path: string): Promise<string> =>
  (await host.machine.ok(["findmnt", "--noheadings", "--output=OPTIONS", path])).trim();

async function failing(...args: readonly string[]): Promise<readonly unknown[]> {
  const { status, stdout } = await host.keelson("--json", ...args);
  return [status, JSON.parse(stdout).error.code];
}

describe("mount", () => {
  it("shows the tree of a container, where nothing can be written", async () => {
    expect(await host.answer("mount", "svc", place)).toMatchObject({ name: "svc", directory: place });
    expect(await host.machine.ok(["cat", `${place}/run.sh`])).toContain("echo 1 >/data/version");
    expect((await host.machine.run(["touch", `${place}/new`])).stderr).toContain("Read-only file system");
    expect((await optionsAt(place)).split(",")).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev"]));
    expect(await failing("mount", "svc", place)).toEqual([4, "E_FILE_EXISTS"]);
  });

  it("keeps the deployment that is mounted, however many come after it", async () => {
    await host.put("/etc/keelson/keelson.conf", "keep = 1\n");
    expect((await host.keelson("update", "svc", "--rebase", inRegistry("v2"), "--tls-verify=false")).status).toBe(0);
    expect((await host.keelson("prune")).status).toBe(0);
    expect(await host.machine.ok(["cat", `${place}/run.sh`])).toContain("echo 1 >/data/version");
    expect((await host.keelson("unmount", place)).stdout).toBe(`unmounted ${place}\n`);
    expect(await host.machine.ok(["ls", place])).toBe("");
    expect((await host.keelson("prune")).status).toBe(0);
    expect(await there("/var/lib/keelson/deployments/svc/1")).toBe(false);
  });

  it("shows the tree of an image that nobody has installed, and forgets it again", async () => {
    const image = inRegistry("fails");
    const { digest } = await host.answer("mount", "--tls-verify=false", image, place);
    expect(digest).toMatch(/^sha256:/);
    expect(await host.machine.ok(["cat", `${place}/run.sh`])).toContain("cannot open the database");
    expect((await host.machine.run(["touch", `${place}/new`])).status).not.toBe(0);
    expect((await host.keelson("prune")).status).toBe(0);
    expect(await host.machine.ok(["cat", `${place}/run.sh`])).toContain("cannot open the database");
    await host.machine.ok([host.program, "unmount", place]);
    expect(await there(mounts)).toBe(false);
    expect((await host.keelson("images")).stdout).not.toContain("fails");
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("what a reboot has unmounted is swept", async () => {
    await host.machine.ok([host.program, "mount", "--tls-verify=false", inRegistry("fails"), place]);
    await host.reboot();
    expect(await there(mounts)).toBe(true);
    await host.machine.ok([host.program, "pull", "--tls-verify=false", inRegistry("v1")]);
    expect(await there(mounts)).toBe(false);
  });

  it("takes an empty directory, and unmount what it has mounted, alone", async () => {
    expect(await failing("mount", "svc", "/mnt/full")).toEqual([4, "E_FILE_EXISTS"]);
    expect(await failing("mount", "svc", "/mnt/none")).toEqual([2, "E_USAGE"]);
    expect(await failing("unmount", "/proc")).toEqual([3, "E_NOT_FOUND"]);
    expect(await failing("unmount", "/mnt/none")).toEqual([3, "E_NOT_FOUND"]);
    expect(await there("/proc/self")).toBe(true);
  });

  it("of what is in use goes nowhere", async () => {
    await host.machine.ok([host.program, "mount", "svc", place]);
    const busy =
      'mkfifo /run/go && cd "$1" && { read -r go </run/go & } && "$2" --json unmount "$1"; echo >/run/go; cd /; wait';
    const { stdout } = await host.machine.run(["sh", "-c", busy, "-", place, host.program]);
    expect(JSON.parse(stdout).error.code).toBe("E_MOUNT");
    await host.machine.ok([host.program, "unmount", place]);
  });
});
