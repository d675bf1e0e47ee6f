import { describe, expect, it } from "vitest";
import { planConfig } from "../../src/plan/config.ts";
import type { ConfigHost } from "../../src/plan/config-compat.ts";
import { parseOverrides } from "../../src/plan/overrides.ts";

const plainHost: ConfigHost = { selinux: false, apparmor: false, capabilities: ["CAP_KILL", "CAP_CHOWN"] };
const request = { name: "/exports/config.json.template", writable: false, overrides: [], environment: [] };
const minimal = { process: { args: ["/bin/x"] }, root: { path: "rootfs", readonly: true } };

function plan(config: unknown, host = plainHost, changed: Partial<Parameters<typeof planConfig>[1]> = {}) {
  const planned = planConfig(JSON.stringify(config), { ...request, ...changed }, host);
  return { ...planned, config: JSON.parse(planned.text) };
}

describe("config.json", () => {
  it.each([
    [
      "8: a root that can be written to",
      { ...minimal, root: { path: "rootfs", readonly: false } },
      /Only readonly images are supported/,
    ],
    ["8: a root that is not rootfs", { ...minimal, root: { path: "/", readonly: true } }, /Path must be 'rootfs'/],
    ["hooks", { ...minimal, hooks: { prestart: [{ path: "/bin/evil" }] } }, /hooks/],
    ["a terminal", { ...minimal, process: { args: ["x"], terminal: true } }, /terminal/],
    ["no command", { ...minimal, process: {} }, /process\.args/],
    ["a list", [], /not a JSON object/],
  ])("refuses %s", (_, config, message) => {
    expect(() => plan(config)).toThrow(
      expect.objectContaining({ code: "E_CONFIG", message: expect.stringMatching(message) }),
    );
  });

  it("refuses what is not JSON", () => {
    expect(() => planConfig("{", request, plainHost)).toThrow(expect.objectContaining({ code: "E_CONFIG" }));
  });

  it("puts the container into the cgroup it is given, and onto the root it is given", () => {
    const { config } = plan({ ...minimal, linux: { cgroupsPath: "/elsewhere", namespaces: [] } }, plainHost, {
      cgroupsPath: "container",
      rootfs: "/srv/tree",
    });
    expect(config.linux).toEqual({ cgroupsPath: "container", namespaces: [] });
    expect(config.root).toEqual({ path: "/srv/tree", readonly: true });
  });

  it("lets a container that runs once write to its root", () => {
    expect(plan({ ...minimal, root: { path: "rootfs" } }, plainHost, { writable: true }).config.root).toEqual({
      path: "rootfs",
    });
  });

  it("is checked again with what an administrator adds, and kept without it", () => {
    const file = {
      path: "/etc/keelson/x.d/a.conf",
      sections: { capabilities: { add: "CAP_KILL CAP_NEW" }, mounts: { "/data": "/srv:ro,mode=755" } },
    };
    const { config, imageText, warnings, binds } = plan(minimal, plainHost, { overrides: parseOverrides([file]) });
    const sets = ["bounding", "effective", "permitted"].map((set) => [set, ["CAP_KILL"]]);
    expect(config).toEqual({
      ociVersion: "1.0.2",
      ...minimal,
      process: { ...minimal.process, capabilities: Object.fromEntries(sets) },
      mounts: [{ destination: "/data", type: "bind", source: "/srv", options: ["rbind", "ro"] }],
    });
    expect(JSON.parse(imageText)).toEqual({ ociVersion: "1.0.2", ...minimal });
    expect(warnings).toEqual([
      "mount /data: a bind mount takes no mode=755; left out",
      "capabilities that this kernel does not know are left out: CAP_NEW",
    ]);
    expect(binds).toEqual([{ source: "/srv", destination: "/data" }]);
  });

  it("names the sources of bind mounts, however they are written", () => {
    const mounts = [
      { destination: "/a", type: "bind", source: "/x" },
      { destination: "/b", type: "none", source: "/y", options: ["rbind"] },
      { destination: "/c", type: "tmpfs", source: "tmpfs" },
    ];
    expect(plan({ ...minimal, mounts }).binds).toEqual([
      { source: "/x", destination: "/a" },
      { source: "/y", destination: "/b" },
    ]);
  });
});

describe("79: an old config.json", () => {
  it("loses options of a file system on bind mounts, and keeps them on real file systems", () => {
    const mounts = [
      { destination: "/a", type: "bind", source: "/x", options: ["rbind", "mode=755", "rw"] },
      { destination: "/t", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
    ];
    const { config, warnings } = plan({ ...minimal, mounts });
    expect(config.mounts[0].options).toEqual(["rbind", "rw"]);
    expect(config.mounts[1].options).toEqual(["mode=755"]);
    expect(warnings).toHaveLength(1);
  });

  it("has type rbind written as runc wants it", () => {
    const { config } = plan({ ...minimal, mounts: [{ destination: "/a", type: "rbind", source: "/x" }] });
    expect(config.mounts[0]).toEqual({ destination: "/a", type: "bind", source: "/x", options: ["rbind"] });
  });

  it("keeps SELinux labels only on a host that has it", () => {
    const labelled = { ...minimal, process: { args: ["x"], selinuxLabel: "system_u:x" }, linux: { mountLabel: "m" } };
    expect(plan(labelled).config.process.selinuxLabel).toBeUndefined();
    expect(plan(labelled).config.linux.mountLabel).toBeUndefined();
    expect(plan(labelled, { ...plainHost, selinux: true }).config.process.selinuxLabel).toBe("system_u:x");
  });

  it("has one list of capabilities given for each set, and those the kernel does not know left out", () => {
    const sets = plan({ ...minimal, process: { args: ["x"], capabilities: ["CAP_KILL", "CAP_NEW"] } }).config.process
      .capabilities;
    expect(sets).toEqual({
      bounding: ["CAP_KILL"],
      effective: ["CAP_KILL"],
      inheritable: ["CAP_KILL"],
      permitted: ["CAP_KILL"],
    });
    const moved = plan({ ...minimal, ociVersion: "0.3.0", linux: { capabilities: ["CAP_CHOWN"] } }).config;
    expect(moved.process.capabilities.bounding).toEqual(["CAP_CHOWN"]);
    expect(moved.ociVersion).toBe("1.0.2");
  });

  it("is left as it is when there is nothing to bring up to date", () => {
    const config = {
      ociVersion: "1.0.2",
      ...minimal,
      mounts: [{ destination: "/a", type: "bind", source: "/x", options: ["bind"] }],
    };
    expect(plan(config)).toMatchObject({ config, warnings: [] });
  });
});
