import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { parseContractManifest } from "../../src/contract/manifest.ts";
import { parseIni } from "../../src/ini.ts";
import { lockedDigest, lockPathOf, parseLock } from "../../src/plan/lock-file.ts";
import { parseOverrides } from "../../src/plan/overrides.ts";
import { parseStack } from "../../src/plan/stack.ts";

const examples = join(import.meta.dirname, "../../examples");
const read = (path: string): string => readFileSync(join(examples, path), "utf8");
// It reads 0644 as octal.
const butane = { version: "1.1" } as const;
const names = ["containerd", "etcd", "flanneld"];

/** What a host gets that is provisioned so: its files by their paths. */
type Files = ReadonlyMap<string, string>;

interface Provisioned {
  readonly path: string;
  readonly mode?: unknown;
  readonly permissions?: unknown;
  readonly content?: unknown;
  readonly contents?: { readonly inline?: unknown };
}

function filesOf(rows: readonly Provisioned[]): Files {
  for (const { mode, permissions } of rows) expect([0o644, "0644"]).toContain(mode ?? permissions);
  return new Map(rows.map(({ path, content, contents }) => [path, String(content ?? contents?.inline)]));
}

/** The file is one that keelson reads, and holds what it may. */
function expectRead(path: string, text: string, files: Files): void {
  const ini = parseIni(text);
  const [, container] = /^\/etc\/keelson\/([a-z]+)\.d\/[a-z]+\.conf$/.exec(path) ?? [];
  if (path.startsWith("/etc/keelson/stack.d/")) {
    if (path.endsWith(".lock")) return void expect([...parseLock(path, ini).keys()].sort()).toEqual(names);
    const members = parseStack([{ path, sections: ini }]);
    expect(members.map(({ name }) => name).sort()).toEqual(names);
    const lockPath = lockPathOf(path);
    const lock = files.has(lockPath) ? parseLock(lockPath, parseIni(files.get(lockPath) ?? "")) : undefined;
    for (const { name, image } of members) lockedDigest(name, image, lock, lockPath);
    return;
  }
  expect(names).toContain(container);
  expect(parseOverrides([{ path, sections: ini }]).length).toBeGreaterThan(0);
}

it("the example stack is etcd, flanneld and containerd, whose images say what they need of each other", () => {
  const members = parseStack([{ path: "/stack.conf", sections: parseIni(read("stack.conf")) }]);
  expect(members.map(({ name, image }) => `${name} ${image}`)).toEqual(
    ["etcd", "flanneld", "containerd"].map((name) => `${name} 127.0.0.1:5000/${name}`),
  );
  const provided = new Set<string>();
  for (const { name, set, stack } of members) {
    const problems: string[] = [];
    const manifest = parseContractManifest(read(`${name}/exports/manifest.json`), problems);
    expect(problems).toEqual([]);
    for (const key of set.keys()) expect([...manifest.defaultValues.keys()]).toContain(key);
    const requires = [...(manifest.relations?.requires ?? []), ...(stack.relations?.requires ?? [])];
    for (const required of requires) expect(provided).toContain(required.name);
    for (const each of manifest.relations?.provides ?? []) provided.add(each);
  }
  expect([...provided]).toEqual(["kv/etcd", "net/flannel", "runtime"]);
});

describe("the examples for provisioning", () => {
  it("Butane's has files that keelson reads, with a lock of that stack", () => {
    const { variant, version, storage, ...more } = parseYaml(read("provisioning/butane.yaml"), butane);
    expect([variant, version, Object.keys(storage), more]).toEqual(["fcos", "1.5.0", ["files"], {}]);
    const files = filesOf(storage.files);
    expect([...files.keys()].filter((path) => path.startsWith("/etc/keelson/stack.d/"))).toHaveLength(2);
    for (const [path, text] of files) expectRead(path, text, files);
  });

  it("cloud-init's has the same, and a command that keelson understands", () => {
    const text = read("provisioning/cloud-init.yaml");
    expect(text.startsWith("#cloud-config\n")).toBe(true);
    const { write_files: rows, runcmd, ...more } = parseYaml(text);
    expect([runcmd, more]).toEqual([[["/usr/local/bin/keelson", "apply", "--enable-at-boot"]], {}]);
    const files = filesOf(rows);
    expect(files.size).toBe(2);
    for (const [path, content] of files) expectRead(path, content, files);
  });
});
