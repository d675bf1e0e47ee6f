import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import { planConfig } from "../../src/plan/config.ts";
import { configureUser } from "../../src/plan/config-user.ts";
import { mapIds } from "../../src/plan/id-maps.ts";
import { parseOverrides } from "../../src/plan/overrides.ts";

const many = {
  uidMappings: mapIds(1000, [{ start: 100_000, count: 9 }]),
  gidMappings: mapIds(2000, [{ start: 200_000, count: 9 }]),
};
const one = { uidMappings: mapIds(1000, []), gidMappings: mapIds(2000, []) };

function configured(
  config: JsonObject,
  ids = many,
): { readonly config: JsonObject; readonly notes: readonly string[] } {
  const notes = configureUser(config, ids);
  return { config, notes };
}
const mounts = (...list: readonly JsonObject[]): unknown => configured({ mounts: list }).config.mounts;
const namespaces = (...types: readonly string[]): JsonObject => ({
  linux: { namespaces: types.map((type) => ({ type })) },
});

describe("78: config.json of a user's container", () => {
  it("has a user namespace of its own with maps of users and of groups, and the host's network", () => {
    const linux = { namespaces: [{ type: "pid" }, { type: "network" }, { type: "user", path: "/proc/1/ns/user" }] };
    expect(configured({ linux }).config).toEqual({
      linux: {
        namespaces: [{ type: "pid" }, { type: "user" }],
        uidMappings: [
          { containerID: 0, hostID: 1000, size: 1 },
          { containerID: 1, hostID: 100_000, size: 9 },
        ],
        gidMappings: [
          { containerID: 0, hostID: 2000, size: 1 },
          { containerID: 1, hostID: 200_000, size: 9 },
        ],
      },
    });
  });

  it("needs neither namespaces nor mounts to begin with", () => {
    const { config, notes } = configured({}, one);
    expect(config).toMatchObject({ linux: { namespaces: [{ type: "user" }], uidMappings: one.uidMappings } });
    expect(notes).toEqual([]);
  });

  it("has the host's /sys, to be read, in place of all that was mounted there", () => {
    const sys = ["/sys", "/sys/fs/cgroup", "/sys/kernel/debug"].map((destination) => ({ destination, type: "sysfs" }));
    const kept = { destination: "/system", type: "tmpfs", options: ["nosuid", "nodev"] };
    expect(mounts(kept, ...sys)).toEqual([
      kept,
      { destination: "/sys", type: "bind", source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"] },
    ]);
    expect(mounts(kept)).toEqual([kept]);
  });

  it("mounts nothing with devices or set-id programs outside /dev", () => {
    const dev = { destination: "/dev", type: "tmpfs", options: ["nosuid", "mode=755"] };
    const pts = { destination: "/dev/pts", type: "devpts" };
    expect(
      mounts(
        dev,
        pts,
        { destination: "/devices", type: "bind", options: ["rbind", "dev", "suid"] },
        { destination: "/x" },
      ),
    ).toEqual([
      dev,
      pts,
      { destination: "/devices", type: "bind", options: ["rbind", "nosuid", "nodev"] },
      { destination: "/x", options: ["nosuid", "nodev"] },
    ]);
  });

  it("has no rules of devices, and no settings of the network", () => {
    const linux = {
      resources: { devices: [{ allow: true }], pids: { limit: 9 } },
      sysctl: { "net.core.somaxconn": "1", "kernel.shmall": "2" },
    };
    const { config, notes } = configured({ linux });
    expect(config.linux).toMatchObject({ resources: { pids: { limit: 9 } }, sysctl: { "kernel.shmall": "2" } });
    expect(JSON.stringify(config)).not.toMatch(/allow|somaxconn/);
    expect(notes).toEqual(["linux.sysctl net.core.somaxconn is left out: the network is the host's"]);
  });

  it("mounts a kernel's file system only with the namespace that it is of", () => {
    const all = [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue" },
    ];
    expect(configured({ mounts: all })).toMatchObject({
      config: {
        mounts: [{ destination: "/proc", type: "bind", source: "/proc", options: expect.arrayContaining(["rbind"]) }],
      },
      notes: ["mount /dev/mqueue is left out: message queues are the host's"],
    });
    expect(configured({ mounts: all, ...namespaces("pid", "ipc") })).toMatchObject({
      config: { mounts: [{ type: "proc" }, { type: "mqueue" }] },
      notes: [],
    });
  });

  it("mounts without an id that the user does not have", () => {
    const mount = { destination: "/dev/pts", type: "devpts", options: ["newinstance", "gid=5"] };
    expect(configured({ mounts: [mount] }).config.mounts).toEqual([mount]);
    expect(configured({ mounts: [mount] }, one)).toMatchObject({
      config: { mounts: [{ ...mount, options: ["newinstance"] }] },
      notes: ["mount /dev/pts: gid=5 is left out: you have no such id"],
    });
  });

  it.each<[JsonObject, boolean, boolean]>([
    [{}, true, true],
    [{ uid: 0, gid: 0 }, true, true],
    [{ uid: 9, gid: 9, additionalGids: [1, 2] }, true, false],
    [{ uid: 10, gid: 0 }, false, false],
    [{ uid: 0, gid: 10 }, false, false],
    [{ uid: 0, gid: 0, additionalGids: [10] }, false, false],
  ])("runs as %j only with ids that the user has", (user, inMany, inOne) => {
    for (const [ids, fits] of [
      [many, inMany],
      [one, inOne],
    ] as const) {
      const attempt = (): unknown => configureUser({ process: { user } }, ids);
      if (fits) attempt();
      else expect(attempt).toThrow(expect.objectContaining({ code: "E_CONFIG" }));
    }
  });

  it("is so with what overrides add, and stays so when it is done again", () => {
    const file = {
      path: "/home/kim/.config/keelson/x.d/a.conf",
      sections: { mounts: { "/data": "/home/kim/data:dev" } },
    };
    const config = { process: { args: ["/bin/x"] }, root: { path: "rootfs", readonly: true } };
    const request = { name: "x", writable: false, environment: [], user: many, overrides: parseOverrides([file]) };
    const planned = planConfig(JSON.stringify(config), request, { selinux: false, apparmor: false, capabilities: [] });
    const written = JSON.parse(planned.text);
    expect(written.mounts).toEqual([
      { destination: "/data", type: "bind", source: "/home/kim/data", options: ["rbind", "nosuid", "nodev"] },
    ]);
    expect(JSON.parse(planned.imageText).linux).toEqual(written.linux);
    expect(configured(structuredClone(written)).config).toEqual(written);
  });
});
