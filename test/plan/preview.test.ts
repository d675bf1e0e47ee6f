import { describe, expect, it } from "vitest";
import type { FileState, HostChange } from "../../src/plan/change.ts";
import type { FileContent } from "../../src/plan/deployment.ts";
import { describePreview, type Preview, previewLines, previewSwitch } from "../../src/plan/preview.ts";
import { bind, confined, confinedWith, deploymentOf } from "./deployments.ts";

const text = (content: string, mode = 0o644): FileState => ({
  ...{ mode, sha256: "", content: { kind: "text", text: content } },
});
const object = (name: string): FileState => ({ mode: 0o755, sha256: "", content: { kind: "object", object: name } });
const objects: Readonly<Record<string, Buffer>> = {
  binary: Buffer.from("a\0b\n"),
  latin1: Buffer.from("caf\xe9\n", "latin1"),
  script: Buffer.from("#!/bin/sh\necho 1\n"),
};
/** The bytes of texts and of the objects above; all others are lost. */
function read(content: FileContent): Buffer | undefined {
  if (content.kind === "text") return Buffer.from(content.text);
  return content.kind === "object" ? objects[content.object] : undefined;
}

function preview(...changes: readonly HostChange[]): Preview {
  return previewSwitch(undefined, undefined, { changes, kept: [] }, read);
}
const file = (path: string, from: FileState | undefined, to: FileState | undefined): HostChange => ({
  ...{ kind: "file", path },
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
});

describe("the difference of a file", () => {
  const many = Array.from({ length: 20 }, (_, at) => `${at}\n`).join("");
  it.each<[string, FileState | undefined, FileState | undefined, string | null]>([
    [
      "of lines",
      text(many),
      text(many.replace("10\n", "ten\n")),
      "--- /x\n+++ /x\n@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n",
    ],
    ["of its end", text("a"), text("a\n"), "--- /x\n+++ /x\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"],
    ["of its mode", text("a\n"), text("a\n", 0o4755), "old mode 100644\nnew mode 104755\n"],
    [
      "of mode and lines",
      text("a\n", 0o600),
      text("b\n"),
      "old mode 100600\nnew mode 100644\n--- /x\n+++ /x\n@@ -1,1 +1,1 @@\n-a\n+b\n",
    ],
    ["that is new", undefined, text("a\nb\n"), "--- /dev/null\n+++ /x\n@@ -0,0 +1,2 @@\n+a\n+b\n"],
    ["that is new and empty", undefined, text(""), "--- /dev/null\n+++ /x\n"],
    ["that is gone", text("a\n"), undefined, "--- /x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"],
    [
      "from the store",
      object("script"),
      text("#!/bin/sh\necho 2\n", 0o755),
      "--- /x\n+++ /x\n@@ -1,2 +1,2 @@\n #!/bin/sh\n-echo 1\n+echo 2\n",
    ],
    ["that is no text", object("binary"), text("a\n"), null],
    ["that was text", text("a\n"), object("binary"), null],
    ["that is not UTF-8", undefined, object("latin1"), null],
    ["that is lost", object("lost"), text("a\n"), null],
    ["of 1,000 lines", text("a\n".repeat(500)), text("b\n".repeat(500)), expect.stringContaining("-a\n+b\n")],
    ["of more", text("a\n".repeat(501)), text("b\n".repeat(501)), null],
    ["that is new, of 10,000 lines", undefined, text("a\n".repeat(10_000)), expect.stringContaining("+a\n+a\n")],
    ["that is new, of more", undefined, text("a\n".repeat(10_001)), null],
  ])("%s", (_, from, to, diff) => {
    expect(describePreview(preview(file("/x", from, to))).files).toEqual([{ path: "/x", diff }]);
  });
});

describe("what people read", () => {
  it("is the changes in order, then what is fetched, then each difference", () => {
    const overrides = { lines: ["/etc/keelson/etcd.d/a.conf: process args=x"], imageConfig: JSON.stringify(confined) };
    const to = confinedWith({ process: { args: ["/bin/x", "x"] }, mounts: [bind("/srv", "ro")] });
    const changes = [
      { kind: "stop", unit: "etcd.service" },
      { kind: "current", name: "etcd", from: 1, to: 2 },
      { kind: "reload" },
    ] as const;
    const fetched = { bytes: 1234, layers: 1, ofLayers: 3 };
    const from = deploymentOf(confinedWith({ linux: { seccomp: undefined } }));
    const image = deploymentOf(to, { overrides: { ...overrides, imageConfig: JSON.stringify(to) } });
    const seen = previewSwitch(from, image, { changes, kept: ["/etc/\u00c3\u00bc"] }, read, fetched);
    expect(previewLines(seen)).toEqual([
      "systemctl stop etcd.service",
      "switch etcd to deployment 2",
      "systemctl daemon-reload",
      "keep /etc/ü",
      "fetch 1234 bytes, 1 of 3 layers",
      "override /etc/keelson/etcd.d/a.conf: process args=x",
      "+ the container may read the host's /srv",
      "- the container has no seccomp filter",
      'config.json: process.args: ["/bin/x"] -> ["/bin/x","x"]',
      'config.json: + linux.seccomp: {"defaultAction":"SCMP_ACT_ERRNO"}',
      'config.json: + mounts: [{"destination":"/x","type":"bind","source":"/srv","options":["rbind","ro"]}]',
    ]);
    expect(describePreview(seen)).toEqual({
      changes: [
        { kind: "stop", action: "stop", path: null, unit: "etcd.service", text: "systemctl stop etcd.service" },
        { kind: "current", action: "current", path: null, unit: null, text: "switch etcd to deployment 2" },
        { kind: "reload", action: "reload", path: null, unit: null, text: "systemctl daemon-reload" },
      ],
      kept: ["/etc/ü"],
      verbs: ["systemctl stop etcd.service", "systemctl daemon-reload"],
      fetch: fetched,
      files: [],
      config: [
        { path: "process.args", from: ["/bin/x"], to: ["/bin/x", "x"] },
        { path: "linux.seccomp", to: { defaultAction: "SCMP_ACT_ERRNO" } },
        { path: "mounts", to: to.mounts },
      ],
      overrides: overrides.lines,
      privileges: {
        widened: [{ kind: "host-path", text: "may read the host's /srv" }],
        narrowed: [{ kind: "seccomp", text: "has no seccomp filter" }],
      },
    });
  });

  it("shows files that are new or gone only where they are keelson's own, and every replaced one to its last line", () => {
    const unit = "/etc/systemd/system/etcd.service";
    const changes = [
      file(unit, undefined, text("[Unit]\n")),
      file("/etc/tmpfiles.d/keelson-etcd.conf", text("d /x\n"), undefined),
      file("/usr/local/bin/new", undefined, text("new\n")),
      file("/etc/etcd.conf", text("a\n\n"), text("b\n\n")),
    ];
    const [lines, described] = [previewLines(preview(...changes)), describePreview(preview(...changes))];
    expect(lines.slice(changes.length)).toEqual([
      ...["--- /dev/null", `+++ ${unit}`, "@@ -0,0 +1,1 @@", "+[Unit]"],
      ...["--- /etc/tmpfiles.d/keelson-etcd.conf", "+++ /dev/null", "@@ -1,1 +0,0 @@", "-d /x"],
      ...["--- /etc/etcd.conf", "+++ /etc/etcd.conf", "@@ -1,2 +1,2 @@", "-a", "+b", " "],
    ]);
    expect(described.files).toHaveLength(4);
  });

  it("has the links of what is enabled, and counts as verbs only what systemd is told", () => {
    const path = "/etc/systemd/system/multi-user.target.wants/etcd.service";
    const links = [{ path, target: "../etcd.service" }];
    const made = { path: "/etc/tmpfiles.d/keelson-etcd.conf", made: [] };
    const { changes, verbs } = describePreview(
      preview(
        { kind: "disable", unit: "etcd.service", links },
        { kind: "symlink", path: "/a", to: "b" },
        { kind: "directory", path: "/d", to: 0o755 },
        { kind: "tmpfiles-create", ...made },
        { kind: "tmpfiles-remove", ...made },
        { kind: "enable", unit: "etcd.service", links },
        { kind: "start", unit: "etcd.service" },
        { kind: "watch", unit: "etcd.service", others: [], name: "etcd", runtime: "/usr/bin/runc", soak: 1000 },
        { kind: "purge", path: "/srv/etcd" },
        { kind: "reset-failed", unit: "etcd.service" },
      ),
    );
    const linked = (changes as readonly object[]).map((change) => ("links" in change ? change.links : undefined));
    expect(linked).toEqual([[path], ...Array(4).fill(undefined), [path], ...Array(4).fill(undefined)]);
    expect(verbs).toEqual([
      "systemctl disable etcd.service",
      "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-etcd.conf",
      "systemd-tmpfiles --remove /etc/tmpfiles.d/keelson-etcd.conf",
      "systemctl enable etcd.service",
      "systemctl start etcd.service",
      "systemctl reset-failed etcd.service",
    ]);
  });

  it("is of an installation everything that the container may do, of a removal nothing", () => {
    const wide = deploymentOf(confinedWith({ mounts: [bind("/srv")] }));
    const plan = { changes: [], kept: [] };
    const said = ["may write to the host's /srv", "may make 0 system calls"];
    const described = (seen: Preview) =>
      describePreview(seen).privileges as { readonly widened: readonly { readonly text: string }[] };
    expect(described(previewSwitch(undefined, wide, plan, read)).widened.map((one) => one.text)).toEqual(said);
    expect(describePreview(previewSwitch(wide, undefined, plan, read))).toMatchObject({
      config: [],
      privileges: { widened: [], narrowed: [] },
    });
  });
});
