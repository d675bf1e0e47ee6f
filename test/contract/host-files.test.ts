// biome-ignore-all lint/suspicious/noTemplateCurlyInString: string templates are the subject here
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseContract } from "../../src/contract/contract.ts";
import type { HostfsEntry } from "../../src/contract/exports.ts";
import { planHostFiles } from "../../src/contract/host-files.ts";
import { directoryOf, errorOf, exportsOf, fileOf, valuesOf } from "./contracts.ts";

interface Renaming {
  readonly renameFiles?: Readonly<Record<string, string>>;
  readonly installedFilesTemplate?: readonly string[];
}

const values = valuesOf({ NAME: "etcd-v3", C: "/etc", UP: "../..", EMPTY: "", V: 'x"$y' });

function plan(hostfs: readonly HostfsEntry[], manifest: Renaming = {}) {
  return planHostFiles(parseContract(exportsOf({ "manifest.json": JSON.stringify(manifest) }, hostfs)), values);
}

function pathsOf(hostfs: readonly HostfsEntry[], manifest: Renaming = {}): readonly string[] {
  return plan(hostfs, manifest).map(({ kind, path }) => `${kind} ${path}`);
}

describe("planHostFiles", () => {
  it("29, 37: files, links and empty directories go to their path, parents before children", () => {
    const target = "../nowhere";
    expect(
      plan([
        directoryOf("/etc", 0o755),
        directoryOf("/etc/empty", 0o1777),
        directoryOf("/etc/x", 0o750),
        { kind: "symlink", path: "/etc/x/link", target },
        directoryOf("/usr"),
        fileOf("/usr/tool", "bytes", 0o755),
      ]),
    ).toEqual([
      { kind: "directory", path: "/etc", mode: 0o755 },
      { kind: "directory", path: "/etc/empty", mode: 0o1777 },
      { kind: "directory", path: "/etc/x", mode: 0o750 },
      { kind: "symlink", path: "/etc/x/link", source: "/etc/x/link", target },
      { kind: "directory", path: "/usr", mode: 0o755 },
      { kind: "file", path: "/usr/tool", source: "/usr/tool", mode: 0o755, sha256: "0".repeat(64) },
    ]);
  });

  const renames: readonly (readonly [string, readonly HostfsEntry[], Record<string, string>, readonly string[]])[] = [
    [
      "a file",
      [directoryOf("/bin"), fileOf("/bin/ctl")],
      { "/bin/ctl": "/bin/${NAME}ctl" },
      ["directory /bin", "file /bin/etcd-v3ctl"],
    ],
    [
      "a directory with all that is in it",
      [directoryOf("/etc"), directoryOf("/etc/d"), fileOf("/etc/d/a"), directoryOf("/etc/d/e")],
      { "/etc/d": "$C/$NAME" },
      ["directory /etc", "directory /etc/etcd-v3", "file /etc/etcd-v3/a", "directory /etc/etcd-v3/e"],
    ],
    [
      "what a renamed directory made of a path",
      [directoryOf("/a"), fileOf("/a/x")],
      { "/a": "/b", "/b/x": "/b/y", "/a/x": "/never" },
      ["directory /b", "file /b/y"],
    ],
    [
      "into a directory the image does not have",
      [directoryOf("/a"), fileOf("/a/x")],
      { "/a/x": "/b/c/x" },
      ["directory /b", "directory /b/c", "file /b/c/x"],
    ],
    ["an empty directory", [directoryOf("/a")], { "/a": "/b" }, ["directory /b"]],
    [
      "two directories into one",
      [directoryOf("/a"), fileOf("/a/x"), directoryOf("/b"), fileOf("/b/y")],
      { "/a": "/b" },
      ["directory /b", "file /b/x", "file /b/y"],
    ],
    ["a name beyond ASCII", [fileOf("/\u00c3\u00a9")], { "/é": "/ü" }, ["file /\u00c3\u00bc"]],
  ];
  it.each(renames)("30: renames %s", (_, hostfs, renameFiles, expected) => {
    expect(pathsOf(hostfs, { renameFiles })).toEqual(expected);
  });

  it("a directory's mode is its own, though another is renamed onto it; a made parent is 0755", () => {
    const hostfs = [directoryOf("/a", 0o700), fileOf("/a/x"), directoryOf("/b", 0o711), fileOf("/b/y"), fileOf("/c")];
    const requests = plan(hostfs, { renameFiles: { "/a": "/b", "/c": "/made/c" } });
    expect(requests.filter(({ kind }) => kind === "directory")).toEqual([
      { kind: "directory", path: "/b", mode: 0o711 },
      { kind: "directory", path: "/made", mode: 0o755 },
    ]);
  });

  it("30: a variable of a renamed path without a value names manifest.json and the variable", () => {
    const error = errorOf(() => plan([fileOf("/a")], { renameFiles: { "/a": "/${MISSING}/a" } }));
    expect(error.code).toBe("E_VALUE_MISSING");
    expect(error.message).toBe("/exports/manifest.json has no value for MISSING");
  });

  it.each(["$NAME", "/$UP/etc", "/a/", "/", "/a/$EMPTY/b", "/a/./b", "/a/..", ""])(
    "38: a path renamed to %j is refused",
    (to) => {
      expect(errorOf(() => plan([fileOf("/a")], { renameFiles: { "/a": to } })).code).toBe("E_HOST_FILE");
    },
  );

  it.each(["/../etc/x", "etc/x", "/a//b", "/a/.", "/a\0b"])("38: an entry at %j is refused", (path) => {
    expect(errorOf(() => plan([fileOf(path)])).code).toBe("E_HOST_FILE");
  });

  const clashes: readonly (readonly [string, readonly HostfsEntry[], Record<string, string>])[] = [
    ["two files", [fileOf("/a"), fileOf("/b")], { "/a": "/b" }],
    ["a file and a link", [fileOf("/a"), { kind: "symlink", path: "/b", target: "x" }], { "/b": "/a" }],
    ["a file and an empty directory", [directoryOf("/a"), fileOf("/b")], { "/b": "/a" }],
    ["an empty directory and a file", [fileOf("/a"), directoryOf("/b")], { "/b": "/a" }],
    ["a file and a directory with content", [directoryOf("/a"), fileOf("/a/x"), fileOf("/b")], { "/b": "/a" }],
    [
      "38: a link and what would lie below it",
      [fileOf("/a"), { kind: "symlink", path: "/l", target: "/etc" }],
      { "/a": "/l/a" },
    ],
  ];
  it.each(clashes)("refuses %s on one path", (_, hostfs, renameFiles) => {
    expect(errorOf(() => plan(hostfs, { renameFiles })).code).toBe("E_CONTRACT");
  });

  it("31: only listed files are substituted, and their digest is of what the host gets", () => {
    const text = 'é x"$y $';
    const requests = plan([fileOf("/etc/a", "é $V $$"), fileOf("/etc/b", "$V $(x)")], {
      installedFilesTemplate: ["/etc/a"],
    });
    expect(requests.filter(({ kind }) => kind === "file")).toEqual([
      {
        kind: "file",
        path: "/etc/a",
        source: "/etc/a",
        mode: 0o644,
        sha256: createHash("sha256").update(text).digest("hex"),
        text,
      },
      { kind: "file", path: "/etc/b", source: "/etc/b", mode: 0o644, sha256: "0".repeat(64) },
    ]);
  });

  it("31: a renamed file is listed by its path on the host, with or without the variables written out", () => {
    const renameFiles = { "/etc/a": "$C/$NAME/a" };
    const templated = (listed: string) =>
      plan([fileOf("/etc/a", "text")], { renameFiles, installedFilesTemplate: [listed] }).some(
        (request) => "text" in request,
      );
    expect(["/etc/etcd-v3/a", "$C/$NAME/a", "/etc/a"].map(templated)).toEqual([true, true, false]);
  });

  it("31: a listed file that is not text, or has a bad or missing variable, is an error naming it", () => {
    const listed = { installedFilesTemplate: ["/etc/a"] };
    const binary = {
      ...fileOf("/etc/a"),
      text: () => {
        throw new TypeError("invalid");
      },
    };
    const errors = [binary, fileOf("/etc/a", "$("), fileOf("/etc/a", "$MISSING")].map((file) =>
      errorOf(() => plan([file], listed)),
    );
    expect(errors.map(({ code }) => code)).toEqual(["E_TEMPLATE", "E_TEMPLATE", "E_VALUE_MISSING"]);
    for (const { message } of errors) expect(message).toContain("/exports/hostfs/etc/a");
  });

  it.each([0o4755, 0o2755, 0o6755])("a file of mode %o is refused, a directory of it is not", (mode) => {
    expect(errorOf(() => plan([fileOf("/x", "", mode)])).code).toBe("E_HOST_FILE");
    expect(plan([directoryOf("/x", mode)])).toEqual([{ kind: "directory", path: "/x", mode }]);
  });

  it("a special file is refused, naming its path and type", () => {
    const error = errorOf(() => plan([{ kind: "special", path: "/dev\u00ff/x", type: "fifo" }]));
    expect(error.code).toBe("E_HOST_FILE");
    expect(error.message).toBe("Host file /dev\\ufffd/x is a fifo in the image");
  });
});
