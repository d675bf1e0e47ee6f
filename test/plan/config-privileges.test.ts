import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import type { Deployment } from "../../src/plan/deployment.ts";
import { privilegeLines, privilegesOf } from "../../src/plan/privileges.ts";
import * as of from "./deployments.ts";

const { compared, confined, deploymentOf } = of;
const lines = (deployment: Deployment): readonly string[] => privilegeLines(privilegesOf(deployment));

const user = (uid: number | undefined, root?: number): JsonObject =>
  of.confinedWith({
    process: { user: uid === undefined ? {} : { uid } },
    ...(root === undefined ? {} : { linux: { uidMappings: [{ containerID: root, hostID: 0, size: 1 }] } }),
  });
const proc = (destination: string, ...options: readonly string[]): JsonObject => ({
  ...{ destination, type: "proc", source: "proc", options },
});
const sys = { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] };
const devices = (...rules: readonly JsonObject[]): JsonObject => of.withLinux({ resources: { devices: rules } });
const nodes = (...list: readonly JsonObject[]): JsonObject => of.withLinux({ devices: list });
const seen =
  "/proc/acpi, /proc/asound, /proc/kcore, /proc/keys, /proc/latency_stats, /proc/timer_list, /proc/sched_debug, /proc/scsi, /sys/firmware";
const written = "/proc/bus, /proc/fs, /proc/irq, /proc/sys, /proc/sysrq-trigger";

it("a container that is confined in every way has none", () => {
  expect(lines(deploymentOf())).toEqual(["may make 0 system calls"]);
});

describe("what a config.json lets a container do, and an update to it widens", () => {
  it.each<[string, JsonObject, ...string[]]>([
    [
      "the host's root",
      { ...user(0), linux: of.withoutNamespaces("user").linux },
      "runs as root",
      "shares with the host the namespace user",
    ],
    ["its own root, which is the host's", user(undefined, 0), "runs as root"],
    ["its own root, beside the host's", user(0, 5), "runs as root"],
    ["a user who is the host's root", user(5, 5), "runs as root"],
    ["its own root", user(0)],
    ["a capability that is ambient", of.withSets("ambient"), "has capability CAP_CHOWN"],
    ["one that is bounding", of.withSets("bounding"), "may gain capability CAP_CHOWN"],
    ["one that exec takes away", of.withSets("permitted", "effective"), "may gain capability CAP_CHOWN"],
    ["no capabilities", of.withProcess({ capabilities: {} })],
    ["set-id programs", of.withProcess({ noNewPrivileges: false }), "may gain privileges by set-id programs"],
    ["the same unsaid", of.withProcess({ noNewPrivileges: undefined }), "may gain privileges by set-id programs"],
    [
      "the host's namespaces",
      of.withoutNamespaces("pid", "network"),
      "shares with the host the namespace pid, network",
    ],
    ["another namespace", of.joining("/proc/1/ns/pid"), "joins the namespace pid /proc/1/ns/pid"],
    ["a namespace with an empty path", of.joining("")],
    ["a device node", nodes({ path: "/d", type: "c", major: 10, minor: 229 }), "has the device node /d c 10:229"],
    ["a fifo", nodes({ path: "/dev/x", type: "p" }), "has the device node /dev/x p"],
    ["a rule for devices", devices({ allow: true, type: "c", access: "rw" }), "may use the devices c *:* rw"],
    ["a rule against devices", devices({ allow: false, access: "rwm" })],
    ["a path to write", of.withMounts(of.bind("/srv")), "may write to the host's /srv"],
    ["a path to read", of.withMounts(of.bind("/srv/", "nosuid", "ro")), "may read the host's /srv"],
    ["the last word on it", of.withMounts(of.bind("/srv", "ro", "rw")), "may write to the host's /srv"],
    ["read-only all the way", of.withMounts(of.bind("/srv", "rro")), "may read the host's /srv"],
    ["a bind by its options", of.mounted("none", "/srv", "bind"), "may write to the host's /srv"],
    ["a way round", of.withMounts(of.bind("/srv/data/.././../etc")), "may write to the host's /etc"],
    [
      "shared mounts",
      of.withMounts(of.bind("/a", "ro", "shared")),
      "may read the host's /a",
      "gives the host what it mounts below /a",
    ],
    [
      "shared mounts below",
      of.withMounts(of.bind("/a", "ro", "rshared")),
      "may read the host's /a",
      "gives the host what it mounts below /a",
    ],
    ["a shared root", of.withLinux({ rootfsPropagation: "shared" }), "gives the host what it mounts below /"],
    ["a private root", of.withLinux({ rootfsPropagation: "private" })],
    [
      "a device as a file system",
      of.mounted("ext4", "/dev/a"),
      "mounts as ext4 /dev/a",
      "may write to what it mounts as ext4 /dev/a",
    ],
    ["layers of the host", of.mounted("overlay", "o", "ro", "lowerdir=/etc"), "mounts as overlay o lowerdir=/etc"],
    ["memory", of.mounted("tmpfs", "tmpfs", "mode=755")],
    ["terminals", of.mounted("devpts", "devpts")],
    ["queues", of.mounted("mqueue", "mqueue")],
    ["proc and sys, nothing hidden", of.withMounts(proc("/proc"), sys), `sees ${seen}`, `may write to ${written}`],
    [
      "the host's proc",
      of.withMounts({ ...of.bind("/proc", "ro"), destination: "/proc" }),
      "may read the host's /proc",
      `sees ${seen.replace(", /sys/firmware", "")}`,
      `may write to ${written}`,
    ],
    ["proc elsewhere", of.withMounts(proc("/p")), "may write to /p"],
    ["proc elsewhere, to read", of.withMounts(proc("/p", "ro")), "sees /p"],
    ["sys elsewhere, to read", of.withMounts({ ...sys, destination: "/s" }), "sees /s"],
    ["cgroups", of.mounted("cgroup2", "cgroup"), "may write to /cgroup2"],
    ["cgroups to read", of.mounted("cgroup", "cgroup", "ro")],
    ["no filter", of.withLinux({ seccomp: undefined }), "has no seccomp filter"],
  ])("%s", (_, config, ...expected) => {
    const [base, wide] = [deploymentOf(), deploymentOf(config)];
    expect(lines(wide).filter((line) => line !== "may make 0 system calls")).toEqual(expected);
    expect(compared(base, wide)).toEqual({ more: expected, less: [] });
    expect(compared(wide, wide)).toEqual({ more: [], less: [] });
  });

  it("sys that can be written to is more than what is hidden in it", () => {
    const to = of.withMounts({ ...sys, options: [] });
    expect(compared(deploymentOf(), deploymentOf(to)).more).toEqual(["may write to /sys", "sees /sys/firmware"]);
  });

  it("what is in the kernel's own file systems is hidden or protected one by one", () => {
    const [masked, readonly] = [seen.split(", "), written.split(", ")];
    const lists = (maskedPaths: readonly string[], readonlyPaths: readonly string[]): Deployment =>
      deploymentOf(of.confinedWith({ mounts: [proc("/proc"), sys], linux: { maskedPaths, readonlyPaths } }));
    const closed = lists(masked, readonly);
    expect(compared(deploymentOf(), closed)).toEqual({ more: [], less: [] });
    for (const path of masked) {
      const one = lists(
        masked.filter((other) => other !== path),
        readonly,
      );
      expect(compared(closed, one)).toEqual({ more: [`sees ${path}`], less: [] });
    }
    for (const path of readonly) {
      const others = readonly.filter((other) => other !== path);
      expect(compared(closed, lists(masked, others))).toEqual({ more: [`may write to ${path}`], less: [] });
      expect(compared(closed, lists([...masked, path], others))).toEqual({ more: [], less: [] });
    }
  });

  it("of root the bounding set is enough to have a capability, unless nothing can be gained", () => {
    const said = (more: JsonObject, ...sets: readonly string[]): readonly string[] => {
      const process = { ...confined.process, ...of.withSets(...sets).process, user: { uid: 0 }, ...more };
      return lines(deploymentOf({ ...confined, process })).filter((line) => line.includes("CAP_"));
    };
    expect(said({ noNewPrivileges: false }, "bounding")).toEqual(["has capability CAP_CHOWN"]);
    expect(said({}, "bounding")).toEqual(["may gain capability CAP_CHOWN"]);
    expect(said({}, "inheritable")).toEqual(["may gain capability CAP_CHOWN"]);
    expect(said({}, "bounding", "permitted")).toEqual(["has capability CAP_CHOWN"]);
    expect(said({}, "effective")).toEqual(["has capability CAP_CHOWN"]);
  });

  it("of what no rules are for, crun lets a container use everything", () => {
    const [runc, crun] = ["/usr/bin/runc", "/usr/bin/crun"].map((runtime) => deploymentOf(confined, { runtime }));
    if (runc === undefined || crun === undefined) throw new Error("two");
    expect(compared(runc, crun)).toEqual({ more: ["may use the devices a *:* rwm"], less: [] });
  });
});
