import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import type { DeployedTmpfiles, Deployment, HostAction } from "../../src/plan/deployment.ts";
import { privilegeLines, privilegesOf, refuseWidening } from "../../src/plan/privileges.ts";
import { errorOf } from "../contract/contracts.ts";
import * as of from "./deployments.ts";

const { bind, compared, confined, deploymentOf, withMounts } = of;
const writes = (path: string): string => `may write to the host's ${path}`;

describe("what includes what", () => {
  const node = (minor: number): JsonObject =>
    of.withLinux({ devices: [{ path: "/dev/x", type: "c", major: 10, minor }] });
  const rule = (changed: JsonObject): JsonObject =>
    of.withLinux({ resources: { devices: [{ allow: true, access: "rwm", ...changed }] } });
  const layers = (path: string): JsonObject => of.mounted("overlay", "o", "ro", `lowerdir=${path}`);

  it.each<[string, JsonObject, JsonObject, string | undefined, string | undefined]>([
    ["writing includes reading", withMounts(bind("/a")), withMounts(bind("/a", "ro")), undefined, writes("/a")],
    ["a path, what is below it", withMounts(bind("/a")), withMounts(bind("/a/b")), undefined, writes("/a")],
    ["the root, everything", withMounts(bind("/")), withMounts(bind("/etc")), undefined, writes("/")],
    ["not what only begins so", withMounts(bind("/a")), withMounts(bind("/ab")), writes("/ab"), writes("/a")],
    ["nor by a way round", withMounts(bind("/a")), withMounts(bind("/a/../b")), writes("/b"), writes("/a")],
    [
      "reading above, no writing",
      withMounts(bind("/", "ro")),
      withMounts(bind("/a")),
      writes("/a"),
      "may read the host's /",
    ],
    [
      "other layers",
      layers("/a"),
      layers("/a/../b"),
      "mounts as overlay o lowerdir=/a/../b",
      "mounts as overlay o lowerdir=/a",
    ],
    [
      "writing a device, reading it",
      of.mounted("xfs", "/d"),
      of.mounted("xfs", "/d", "ro"),
      undefined,
      "may write to what it mounts as xfs /d",
    ],
    [
      "not another device at its node",
      node(1),
      node(2),
      "has the device node /dev/x c 10:2",
      "has the device node /dev/x c 10:1",
    ],
    ["all devices, one", rule({}), rule({ type: "b", major: 8 }), undefined, "may use the devices a *:* rwm"],
    [
      "having, that it may be gained",
      of.withSets("ambient"),
      of.withSets("bounding"),
      undefined,
      "has capability CAP_CHOWN",
    ],
    [
      "gaining, not having",
      of.withSets("permitted"),
      of.withSets("permitted", "ambient"),
      "has capability CAP_CHOWN",
      undefined,
    ],
    [
      "no other namespace",
      of.joining("/a"),
      of.joining("/b"),
      "joins the namespace pid /b",
      "joins the namespace pid /a",
    ],
    [
      "the host's namespace, none by a path",
      of.withoutNamespaces("pid"),
      of.joining("/b"),
      "joins the namespace pid /b",
      "shares with the host the namespace pid",
    ],
  ])("%s", (_, from, to, more, less) => {
    const lines = (line: string | undefined): readonly string[] => (line === undefined ? [] : [line]);
    expect(compared(deploymentOf(from), deploymentOf(to))).toEqual({ more: lines(more), less: lines(less) });
  });
});

describe("what an image does on the host", () => {
  const host = (...hostActions: readonly HostAction[]): Deployment => deploymentOf(confined, { hostActions });
  const tmpfiles = (text: string, declared: readonly string[], made: readonly string[]): DeployedTmpfiles => ({
    path: "/etc/tmpfiles.d/keelson-etcd.conf",
    text,
    declared,
    made: made.map((path) => ({ path, mode: 0o755 })),
  });

  it.each<[HostAction["kind"], string, string]>([
    ["command", "ExecStartPre=/bin/x", "runs on the host: ExecStartPre=/bin/x"],
    ["unit-relation", "Conflicts=a.service", "reaches into other units: Conflicts=a.service"],
    ["tmpfiles", "L /etc/x - - - - /y", "asks systemd-tmpfiles for L /etc/x - - - - /y"],
    ["file", "/etc/\u00c3\u00bc", "puts on the host /etc/ü"],
  ])("%s", (kind, text, line) => {
    expect(compared(host(), host({ kind, text }))).toEqual({ more: [line], less: [] });
    expect(compared(host({ kind, text }), host({ kind, text }))).toEqual({ more: [], less: [] });
  });

  it("lines that make the container's own directories are none of it; those for directories of the host are", () => {
    const own = ["d /var/run/etcd/ 0755 0 0 - -", "D! /srv/etcd/a", 'v "/srv/etcd/b c"'];
    const reaching = ["d /etc 0777 - - -", "e /srv/etcd/a - - - 1s", "d /srv/%H", "L+ /etc/x - - - - /y"];
    const declared = ["/run/etcd", "/srv/etcd/a", "/srv/etcd/b c", "/etc"];
    const all = [...own, ...reaching];
    const to = deploymentOf(confined, {
      hostActions: all.map((text) => ({ kind: "tmpfiles", text })),
      tmpfiles: tmpfiles(all.join("\n"), declared, ["/run/etcd", "/srv/etcd", "/srv/etcd/a", "/srv/etcd/b c"]),
    });
    expect(compared(host(), to).more).toEqual([`asks systemd-tmpfiles for ${reaching.join(", ")}`]);
  });

  it("without a service there is no container, and nothing that it may do", () => {
    const { service: _, ...files } = deploymentOf(of.withoutNamespaces("pid"), {
      hostActions: [{ kind: "file", text: "/opt/x" }],
    });
    expect(privilegeLines(privilegesOf(files))).toEqual(["puts on the host /opt/x"]);
    const process = of.withSets("ambient").process;
    expect(compared(files, deploymentOf(of.confinedWith({ process, linux: { seccomp: {} } })))).toEqual({
      more: ["has capability CAP_CHOWN", "has no seccomp filter"],
      less: ["puts on the host /opt/x"],
    });
  });
});

describe("an update that widens", () => {
  const wide = of.confinedWith({ process: of.withSets("ambient").process, mounts: [bind("/srv"), bind("/etc", "ro")] });

  it("is refused with the list", () => {
    const error = errorOf(() => refuseWidening(deploymentOf(), deploymentOf(wide)));
    expect([error.code, error.message.split("\n")]).toEqual([
      "E_WIDENS",
      [
        "the new etcd may do more than the one that is installed:",
        "  it has capability CAP_CHOWN",
        `  it ${writes("/srv")}`,
        "  it may read the host's /etc",
      ],
    ]);
    expect(error.hint).toContain("--allow-widen");
  });

  it("the other way round passes, and so does what overrides add", () => {
    const overrides = { lines: ["x"], imageConfig: JSON.stringify(confined) };
    expect(() => refuseWidening(deploymentOf(wide), deploymentOf())).not.toThrow();
    expect(() => refuseWidening(deploymentOf(), deploymentOf(wide, { overrides }))).not.toThrow();
    expect(() => refuseWidening(deploymentOf(wide, { overrides }), deploymentOf(wide))).toThrow("CAP_CHOWN");
  });
});
