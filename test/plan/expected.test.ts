import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Deployment } from "../../src/plan/deployment.ts";
import { deployedFiles, installedFiles } from "../../src/plan/expected.ts";

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
const digest = `sha256:${"a".repeat(64)}` as const;
const text = (content: string) => ({ sha256: sha(content), content: { kind: "text", text: content } }) as const;
const directory = "/var/lib/keelson/deployments/foo/1";
const link = {
  path: "/etc/systemd/system/multi-user.target.wants/foo.service",
  target: "/etc/systemd/system/foo.service",
};

function deployment(changed: Partial<Deployment> = {}): Deployment {
  return {
    schema: 1,
    name: "foo",
    generation: 1,
    created: "2026-01-01T00:00:00Z",
    image: { reference: "host/foo:latest", digest, id: digest, commit: "c", platform: "linux/amd64" },
    runtime: "/usr/sbin/runc",
    set: {},
    values: {},
    service: { unit: "foo.service", path: link.target, text: "# unit", enabled: true, links: [link] },
    config: "{}",
    tmpfiles: { path: "/etc/tmpfiles.d/keelson-foo.conf", text: "# lines", declared: [], made: [] },
    hostFiles: [
      { kind: "file", path: "/etc/foo", mode: 0o640, foreign: false, ...text("conf") },
      { kind: "symlink", path: "/usr/bin/ctl", target: "fooctl", foreign: false },
      { kind: "file", path: "/etc/theirs", mode: 0o644, foreign: true, ...text("ours") },
    ],
    madeDirectories: [],
    hostActions: [],
    warnings: [],
    ...changed,
  };
}

describe("what has to stand on the host", () => {
  const hostFiles = [
    { kind: "file", path: "/etc/foo", mode: 0o640, ...text("conf") },
    { kind: "symlink", path: "/usr/bin/ctl", target: "fooctl" },
  ];
  const tmpfiles = { kind: "file", path: "/etc/tmpfiles.d/keelson-foo.conf", mode: 0o644, ...text("# lines") };
  const unit = { kind: "file", path: link.target, mode: 0o644, ...text("# unit") };

  it("is tmpfiles lines, unit, the links that enable it and host files, but for those that are somebody else's", () => {
    expect(installedFiles(deployment())).toEqual([tmpfiles, unit, { kind: "symlink", ...link }, ...hostFiles]);
  });

  it("is no link for a service that is not enabled", () => {
    const { service } = deployment();
    if (service === undefined) throw new Error("no service");
    expect(installedFiles(deployment({ service: { ...service, enabled: false } }))).toEqual([
      tmpfiles,
      unit,
      ...hostFiles,
    ]);
  });

  it("is host files alone for an image without a service", () => {
    const { service: _, tmpfiles: __, ...rest } = deployment();
    expect(installedFiles(rest)).toEqual(hostFiles);
  });
});

describe("what has to stand beside a tree", () => {
  const config = { kind: "file", path: `${directory}/config.json`, mode: 0o600, ...text("{}") };

  it("is config.json, closed to others", () => {
    expect(deployedFiles(deployment(), directory)).toEqual([config]);
  });

  it("is a link to a root filesystem of the host, and a copy of each host file from there", () => {
    const own = { kind: "path", path: `${directory}/files/${sha("conf")}` } as const;
    const hostFiles = [
      { kind: "file", path: "/etc/foo", mode: 0o640, sha256: sha("conf"), content: own, foreign: false },
      {
        kind: "file",
        path: "/etc/bar",
        mode: 0o640,
        sha256: sha("conf"),
        content: { kind: "path", path: "/srv/bar" },
        foreign: false,
      },
    ] as const;
    expect(deployedFiles(deployment({ rootfs: "/srv/tree", hostFiles }), directory)).toEqual([
      config,
      { kind: "symlink", path: `${directory}/rootfs`, target: "/srv/tree" },
      { kind: "file", path: own.path, sha256: sha("conf"), content: { kind: "path", path: "/etc/foo" } },
    ]);
  });
});
