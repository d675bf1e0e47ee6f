import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestImage } from "../bed/images.ts";
import { type Failure, failureOf } from "../bed/journey.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { addUser, type HostUser } from "./host-user.ts";
import { buildPayloads } from "./payloads.ts";
import { buildSession } from "./session-payload.ts";
import { buildVersions } from "./versions.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;
let kim: HostUser;
/** Has no ids but its own, and is not logged in. */
let lee: HostUser;
let homeBefore: string;

beforeAll(async () => {
  const [{ v1, v2, later }, { plain }, session] = await Promise.all([buildVersions(), buildPayloads(), buildSession()]);
  images = { v1, v2, later, plain, session };
  host = await bootHost(images);
  kim = await addUser(host, "kim", 1234);
  lee = await addUser(host, "lee", 1235);
  await host.machine.ok(["sed", "-i", "/^lee:/d", "/etc/subuid", "/etc/subgid"]);
  await kim.login();
  homeBefore = await kim.home();
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

const plainHttp = "--tls-verify=false";
const install = (user: HostUser, image: string, ...options: readonly string[]) =>
  user.succeed("install", plainHttp, ...options, inRegistry(image));
const refused = async (user: HostUser, ...args: readonly string[]): Promise<Failure> =>
  failureOf(await user.keelson("--json", ...args));
const version = async (): Promise<string> =>
  (await host.machine.ok(["cat", `${kim.directory}/.local/share/svc/version`])).trim();
const updated = (to: string) =>
  kim.keelson("update", "svc", "--rebase", inRegistry(to), "--soak", "2s", "--allow-widen", plainHttp);

describe("78: who may have containers of their own", () => {
  it("is not root, and nobody below another root", async () => {
    expect(failureOf(await host.keelson("--json", "--user", "list"))).toMatchObject({ code: "E_USAGE" });
    expect(await refused(kim, "--root", "/home/kim", "list")).toMatchObject({ code: "E_USAGE" });
  });

  it("is told of them when the host's are out of reach", async () => {
    const { status, stderr } = await kim.run([kim.program, "install", plainHttp, inRegistry("v1")]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("keelson --user")]);
  });

  it("is told what is missing without a session, and has nothing changed", async () => {
    const before = await lee.home();
    const { code, hint } = await refused(lee, "install", plainHttp, inRegistry("v1"));
    expect([code, hint]).toEqual(["E_SYSTEMD", expect.stringContaining("loginctl enable-linger lee")]);
    expect(await lee.home()).toBe(before);
  });

  it.each([
    ["mount", "svc", "/home/kim/x"],
    ["unmount", "/home/kim/x"],
    ["run", "svc", "true"],
    ["boot"],
    ["apply", "--enable-at-boot"],
    ["install", "--system", plainHttp, "127.0.0.1:5000/v1"],
    ["install", "--phase", "pre-network", plainHttp, "127.0.0.1:5000/v1"],
  ])("does without %s %s %s", async (...args) => {
    const { code, hint } = await refused(kim, ...args);
    expect([code, hint]).toEqual(["E_USAGE", expect.stringMatching(/without --user|Leave out --user/)]);
  });
});

describe("78: a container of a user", () => {
  it("is a unit of that user's systemd, enabled for the login, in a store that ostree understands", async () => {
    await install(kim, "v1", "--name", "svc");
    expect(await kim.show("svc", "UnitFileState", "FragmentPath", "ActiveState")).toEqual({
      UnitFileState: "enabled",
      FragmentPath: "/home/kim/.config/systemd/user/svc.service",
      ActiveState: "inactive",
    });
    const link = "/home/kim/.config/systemd/user/default.target.wants/svc.service";
    expect(await host.machine.ok(["readlink", link])).toBe("/home/kim/.config/systemd/user/svc.service\n");
    await kim.ok(["ostree", "fsck", "--repo=/home/kim/.local/share/keelson/repo"]);
    await kim.ok(["rm", "-rf", "/home/kim/.local/share/keelson/repo/tmp/cache"]);
    const { stdout } = await host.keelson("list");
    expect(stdout).not.toContain("svc");
  });

  it("runs with that user's ids and cgroup, in the host's network", async () => {
    await kim.systemctl("start", "svc");
    expect(await version()).toBe("1");
    const maps = ["0 1234 1", "1 100000 65536"];
    expect(await kim.maps("svc")).toEqual({ uid_map: maps, gid_map: maps });
    const { MainPID: main = "" } = await kim.show("svc", "MainPID");
    const group = "user.slice/user-1234.slice/user@1234.service/app.slice/svc.service/container";
    expect(await host.machine.ok(["cat", `/proc/${main}/cgroup`])).toContain(`0::/${group}\n`);
    const network = (pid: string): Promise<string> => host.machine.ok(["readlink", `/proc/${pid}/ns/net`]);
    expect(await network(main)).toBe(await network("1"));
    const status = await kim.run(["systemctl", "--user", "status", "--no-pager", "svc"]);
    expect(status.stdout).toContain("/run.sh");
  });

  it("answers what is asked of containers", async () => {
    for (const args of [
      ["status"],
      ["verify"],
      ["info", "svc"],
      ["history", "svc"],
      ["top", "svc"],
      ["why", "svc"],
      ["recover"],
    ])
      await kim.succeed(...args);
    expect((await kim.succeed("exec", "svc", "/bin/busybox", "id", "-u")).stdout).toBe("0\n");
    expect((await kim.succeed("logs", "svc")).stdout).toContain("Started svc.service");
  });

  it("is healed of a changed file, which the store has lost with it", async () => {
    const file = `${kim.directory}/.local/share/keelson/deployments/svc/1/rootfs/run.sh`;
    const before = await host.machine.ok(["cat", file]);
    await kim.ok(["sh", "-c", `echo other >${file}`]);
    expect((await kim.keelson("verify")).status).toBe(9);
    await kim.succeed("verify", "--repair", plainHttp);
    expect(await host.machine.ok(["cat", file])).toBe(before);
    await kim.succeed("verify");
    await kim.ok(["ostree", "fsck", "--repo=/home/kim/.local/share/keelson/repo"]);
    await kim.ok(["rm", "-rf", "/home/kim/.local/share/keelson/repo/tmp/cache"]);
  });

  it("is brought to another version, and back from a faulty one", async () => {
    const good = await updated("v2");
    expect(good.status, good.stderr).toBe(0);
    expect(await version()).toBe("2");
    const faulty = await updated("later");
    expect(faulty.status, faulty.stderr).toBe(8);
    await expect.poll(version).toBe("2");
    expect(await kim.show("svc", "ActiveState")).toEqual({ ActiveState: "active" });
    await kim.succeed("rollback", "svc", "--soak", "300ms");
    expect(await version()).toBe("1");
  });

  it("has its directories of the session again when it starts at the next login", async () => {
    await install(kim, "session", "--name", "box", "--start");
    expect(await host.machine.ok(["cat", "/run/user/1234/box/seen"])).toBe("here\n");
    await host.reboot();
    await kim.wait();
    expect(await kim.show("svc", "ActiveState")).toEqual({ ActiveState: "active" });
    expect(await kim.show("box", "ActiveState")).toEqual({ ActiveState: "active" });
    expect(await host.machine.ok(["cat", "/run/user/1234/box/seen"])).toBe("here\n");
    await kim.systemctl("stop", "svc");
    expect(await kim.show("svc", "ActiveState", "Result")).toEqual({ ActiveState: "inactive", Result: "success" });
  });

  it("is back on the version it had when the power went in the middle of an update", async () => {
    await kim.systemctl("start", "svc");
    const cut = kim.keelson("update", "svc", "--rebase", inRegistry("v2"), "--soak", "10m", plainHttp);
    await expect.poll(version, { timeout: 20_000 }).toBe("2");
    await host.cutPower();
    await cut;
    await kim.wait();
    await expect.poll(version).toBe("1");
    expect(await kim.show("svc", "ActiveState")).toEqual({ ActiveState: "active" });
    expect((await kim.succeed("recover")).stdout).toBe("nothing to recover\n");
  });

  it("comes with a stack of that user, after what it requires is ready", async () => {
    const stack = [
      "[base]",
      `image = ${inRegistry("v1")}`,
      "[above]",
      `image = ${inRegistry("v2")}`,
      "requires = base ready",
    ];
    const file = `${kim.directory}/.config/keelson/stack.d/node.conf`;
    await kim.ok(["sh", "-c", 'mkdir -p "$(dirname "$1")" && echo "$2" >"$1"', "sh", file, stack.join("\n")]);
    await kim.succeed("apply", "--soak", "300ms", plainHttp);
    const { After: after = "", ...others } = await kim.show("above", "After", "Wants", "ActiveState");
    expect(after.split(" ")).toContain("base.service");
    expect(others).toMatchObject({ ActiveState: "active", Wants: "base.service" });
    await kim.succeed("graph");
    await kim.ok(["rm", "-r", `${kim.directory}/.config/keelson`]);
    for (const name of ["above", "base"]) await kim.succeed("uninstall", "--purge", name);
  });

  it("runs by crun, too", async () => {
    await install(kim, "v1", "--name", "other", "--runtime", "/usr/bin/crun", "--start");
    const { MainPID: main = "" } = await kim.show("other", "MainPID");
    const group = "user.slice/user-1234.slice/user@1234.service/app.slice/other.service/container";
    expect(await host.machine.ok(["cat", `/proc/${main}/cgroup`])).toContain(`0::/${group}\n`);
    await kim.succeed("uninstall", "--purge", "other");
  });

  it("can have state that belongs to another id of that user, and be purged of it", async () => {
    const { stderr } = await install(kim, "plain", "--name", "plain");
    const command = /give it to 1000:1000 there with: (unshare .*)$/m.exec(stderr)?.[1] ?? "";
    await kim.ok(["sh", "-c", command]);
    await kim.systemctl("start", "plain");
    const seen = `${kim.directory}/.local/share/plain/data/seen`;
    await expect.poll(() => kim.run(["stat", "-c", "%u", seen]).then(({ stdout }) => stdout)).toBe("100999\n");
    await kim.succeed("update", "plain", "--set", "WORD=other", "--soak", "300ms", plainHttp);
    await kim.succeed("uninstall", "--purge", "plain");
    expect((await host.machine.run(["ls", `${kim.directory}/.local/share/plain`])).status).not.toBe(0);
  });

  it("leaves the home as it was when it is uninstalled", async () => {
    await kim.succeed("uninstall", "--purge", "box");
    await kim.succeed("uninstall", "--purge", "svc");
    expect(await kim.home()).toBe(homeBefore);
  });
});

describe("78: a user without subordinate ids", () => {
  it("has containers in which there is only root", async () => {
    await lee.login();
    await install(lee, "v1", "--name", "svc", "--start");
    expect(await lee.maps("svc")).toEqual({ uid_map: ["0 1235 1"], gid_map: ["0 1235 1"] });
    expect(await refused(lee, "install", plainHttp, inRegistry("plain"))).toMatchObject({ code: "E_CONFIG" });
    await lee.succeed("uninstall", "--purge", "svc");
  });
});
