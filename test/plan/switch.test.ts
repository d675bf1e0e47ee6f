import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatChange, invertChange } from "../../src/plan/change.ts";
import type { Deployment } from "../../src/plan/deployment.ts";
import type { HostFacts, PathFact } from "../../src/plan/facts.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { recoveryUnit } from "../../src/plan/recovery.ts";
import { planSwitch } from "../../src/plan/switch.ts";

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
const digest = `sha256:${"a".repeat(64)}` as const;

const lines = "d /var/lib/etcd 0700 0 0 -\n";

function deployment(changed: Partial<Deployment> = {}): Deployment {
  const path = "/etc/systemd/system/etcd.service";
  return {
    schema: 1,
    name: "etcd",
    generation: 1,
    created: "2026-01-01T00:00:00Z",
    image: { reference: "host/etcd:latest", digest, id: digest, commit: "c", platform: "linux/amd64" },
    runtime: "/usr/sbin/runc",
    set: {},
    values: {},
    service: { unit: "etcd.service", path, text: "# unit", enabled: true, links: [] },
    config: "{}",
    tmpfiles: {
      path: "/etc/tmpfiles.d/keelson-etcd.conf",
      text: lines,
      declared: ["/var/lib/etcd", "/run/etcd"],
      made: [{ path: "/var/lib/etcd", mode: 0o755 }],
    },
    hostFiles: [
      {
        kind: "file",
        path: "/etc/etcd/etcd.conf",
        mode: 0o644,
        sha256: sha("conf"),
        foreign: false,
        content: { kind: "text", text: "conf" },
      },
      { kind: "symlink", path: "/usr/local/bin/ctl", target: "etcdctl", foreign: false },
      {
        kind: "file",
        path: "/etc/foreign",
        mode: 0o644,
        sha256: sha("theirs"),
        foreign: true,
        content: { kind: "text", text: "ours" },
      },
    ],
    madeDirectories: [{ path: "/etc/etcd", mode: 0o755 }],
    hostActions: [],
    warnings: [],
    ...changed,
  };
}

const directory: PathFact = { kind: "directory", mode: 0o755 };
const file = (text: string): PathFact => ({ kind: "file", mode: 0o644, sha256: sha(text) });

function facts(there: Readonly<Record<string, PathFact>>, elsewhere: readonly string[] = []): HostFacts {
  return {
    places: hostPlaces,
    state: "/var/lib/keelson",
    deployments: "/var/lib/keelson/deployments",
    keelson: "/opt/keelson/keelson",
    capabilities: [],
    selinux: false,
    apparmor: false,
    // The recovery unit has tests of its own.
    at: (path) => there[path] ?? (path.endsWith(`/${recoveryUnit}`) ? file("somebody's") : { kind: "missing" }),
    textAt: () => undefined,
    installed: [],
    unitText: () => undefined,
    additionsTo: () => "",
    alone: () => true,
    resolve: (path) => path,
    declaredElsewhere: (path) => elsewhere.includes(path),
    madeBefore: () => false,
    leftAlone: () => false,
    ownerOf: () => undefined,
  };
}

const installed: Readonly<Record<string, PathFact>> = {
  "/etc/systemd/system/etcd.service": file("# unit"),
  "/etc/tmpfiles.d/keelson-etcd.conf": file(lines),
  "/etc/etcd": directory,
  "/etc/etcd/etcd.conf": file("conf"),
  "/usr/local/bin/ctl": { kind: "symlink", target: "etcdctl" },
  "/etc/foreign": file("theirs"),
  "/var/lib/etcd": { kind: "directory", mode: 0o700 },
  "/run/etcd": { kind: "directory", mode: 0o755 },
};
const still = { running: false, start: false, purge: false };

describe("the plan of an installation", () => {
  it("1, 2: puts files first, the unit last, then reloads, makes its directories and enables; it does not start", () => {
    const { changes, kept } = planSwitch(undefined, deployment(), still, facts({ "/etc/foreign": file("theirs") }));
    expect(changes.map(formatChange)).toEqual([
      "create /etc/etcd/",
      "create /etc/etcd/etcd.conf",
      "create /usr/local/bin/ctl -> etcdctl",
      "create /etc/tmpfiles.d/keelson-etcd.conf",
      "switch etcd to deployment 1",
      "create /etc/systemd/system/etcd.service",
      "systemctl daemon-reload",
      "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-etcd.conf",
      "systemctl enable etcd.service",
    ]);
    expect(kept).toEqual([]);
  });

  it("starts at the end when it is asked to", () => {
    const { changes } = planSwitch(undefined, deployment(), { ...still, start: true }, facts({}));
    expect(changes.at(-1)).toEqual({ kind: "start", unit: "etcd.service" });
  });

  it("24: has no systemd verb for an image without a service", () => {
    const { service: _, tmpfiles: __, ...rest } = deployment();
    const { changes } = planSwitch(undefined, rest, still, facts({}));
    expect(changes.map((change) => change.kind)).toEqual(["directory", "file", "symlink", "current"]);
  });
});

describe("the plan of a removal", () => {
  it("leaves out directories that are not there, and has others as they are: taken back, it makes no more of them", () => {
    const { "/etc/etcd": _, ...rest } = installed;
    const directories = (there: Readonly<Record<string, PathFact>>) =>
      planSwitch(deployment(), undefined, still, facts(there)).changes.filter(({ kind }) => kind === "directory");
    expect(directories(rest)).toEqual([{ kind: "directory", path: "/var/lib/etcd", from: 0o700 }]);
    expect(directories(installed)).toContainEqual({ kind: "directory", path: "/etc/etcd", from: 0o755 });
  });

  it("57: stops, disables, takes the unit away, reloads, clears, takes files away, and the link last but for directories", () => {
    const { changes, kept } = planSwitch(deployment(), undefined, { ...still, running: true }, facts(installed));
    expect(changes.map(formatChange)).toEqual([
      "systemctl stop etcd.service",
      "systemctl disable etcd.service",
      "remove /etc/systemd/system/etcd.service",
      "systemctl daemon-reload",
      "systemd-tmpfiles --remove /etc/tmpfiles.d/keelson-etcd.conf",
      "remove /etc/tmpfiles.d/keelson-etcd.conf",
      "remove /etc/etcd/etcd.conf",
      "remove /usr/local/bin/ctl -> etcdctl",
      "remove current deployment etcd/1",
      "remove /var/lib/etcd/ if it is empty",
      "remove /etc/etcd/ if it is empty",
      "systemctl reset-failed etcd.service",
    ]);
    expect(kept).toEqual([]);
  });

  it("33: leaves a file that somebody changed, and names it", () => {
    const { changes, kept } = planSwitch(
      deployment(),
      undefined,
      still,
      facts({ ...installed, "/etc/etcd/etcd.conf": file("edited") }),
    );
    expect(kept).toEqual(["/etc/etcd/etcd.conf"]);
    expect(changes.some((change) => "path" in change && change.path === "/etc/etcd/etcd.conf")).toBe(false);
  });

  it("32: never touches a file that was there before", () => {
    const { changes } = planSwitch(deployment(), undefined, still, facts(installed));
    expect(changes.some((change) => "path" in change && change.path === "/etc/foreign")).toBe(false);
  });

  it("61: removes state only when purging, never below /run, and not what another container declares", () => {
    const purged = (elsewhere: readonly string[]): readonly string[] =>
      planSwitch(deployment(), undefined, { ...still, purge: true }, facts(installed, elsewhere))
        .changes.filter((change) => change.kind === "purge")
        .map((change) => change.path);
    expect(purged([])).toEqual(["/var/lib/etcd"]);
    expect(purged(["/var/lib/etcd"])).toEqual([]);
  });
});

describe("the plan of a switch", () => {
  it("writes only what differs, stops first and starts last", () => {
    const next = deployment({
      generation: 2,
      service: {
        unit: "etcd.service",
        path: "/etc/systemd/system/etcd.service",
        text: "# new",
        enabled: true,
        links: [],
      },
    });
    const { changes } = planSwitch(
      deployment(),
      next,
      { ...still, running: true },
      facts({ ...installed, "/etc/etcd": { kind: "directory", mode: 0o755 } }),
    );
    expect(changes.map(formatChange)).toEqual([
      "systemctl stop etcd.service",
      "switch etcd to deployment 2",
      "replace /etc/systemd/system/etcd.service",
      "systemctl daemon-reload",
      "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-etcd.conf",
      "systemctl start etcd.service",
    ]);
  });

  it("41: reloads only for another unit, and clears what lines of D, r and R ask for while the service is down", () => {
    const cleared = "D /run/etcd 0755 0 0 -\n";
    const from = deployment({
      tmpfiles: { path: "/etc/tmpfiles.d/keelson-etcd.conf", text: cleared, made: [], declared: [] },
    });
    const there = { ...installed, "/etc/tmpfiles.d/keelson-etcd.conf": file(cleared), "/etc/etcd": directory };
    const update = (running: boolean): readonly string[] =>
      planSwitch(from, { ...from, generation: 2 }, { ...still, running }, facts(there)).changes.map(formatChange);
    expect(update(true)).toEqual([
      "systemctl stop etcd.service",
      "systemd-tmpfiles --remove /etc/tmpfiles.d/keelson-etcd.conf",
      "switch etcd to deployment 2",
      "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-etcd.conf",
      "systemctl start etcd.service",
    ]);
    expect(update(false)).toEqual([
      "switch etcd to deployment 2",
      "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-etcd.conf",
    ]);
  });

  it("inverts to a plan that inverts back to itself", () => {
    const { changes } = planSwitch(deployment(), undefined, { ...still, running: true, purge: true }, facts(installed));
    expect(changes.map(invertChange).map(invertChange)).toEqual(changes);
  });
});
