import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuiltExample, type ExampleName, exampleNames, pushExample } from "../../examples/build.ts";
import { parsePackages } from "../../examples/packages.ts";
import { hostTemplate, variablesOf } from "../../src/contract/contract.ts";
import { renderText } from "../../src/contract/template.ts";
import { builtExamples } from "../bed/examples.ts";
import { startRegistry } from "../bed/registry.ts";
import { type Bundle, openBundle, run } from "./bundle.ts";

const home = await mkdtemp(join(tmpdir(), "keelson-examples-test-"));
const bundles = {} as Record<ExampleName, Bundle>;
let images: Readonly<Record<ExampleName, BuiltExample>>;

beforeAll(async () => {
  images = await builtExamples();
  for (const name of exampleNames) bundles[name] = await openBundle(images[name], home);
});
afterAll(() => rm(home, { recursive: true, force: true }));

it("a list of packages may have comments, empty lines and packages without files", () => {
  expect(parsePackages("# list\n\nlibc6\n  etcd-server\t/usr/bin/etcd /usr/share/* # two\n")).toEqual([
    { package: "libc6", patterns: [] },
    { package: "etcd-server", patterns: ["/usr/bin/etcd", "/usr/share/*"] },
  ]);
});

it("an image is pushed to a registry as it is, digest and all", async () => {
  const registry = await startRegistry();
  try {
    await pushExample(images["hello-world"], registry.host, true);
    const remote = `docker://${registry.host}/hello-world:latest`;
    const { stdout } = await run("skopeo", ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", remote]);
    expect(stdout.trim()).toBe(images["hello-world"].digest);
  } finally {
    await registry.stop();
  }
});

describe.each(exampleNames)("the image %s", (name) => {
  it("is labelled as a system container and has more than one layer", async () => {
    const { stdout } = await run("skopeo", ["inspect", images[name].reference]);
    const inspected = JSON.parse(stdout);
    expect(inspected.Labels).toMatchObject({ "atomic.type": "system", name });
    expect(inspected.Digest).toBe(images[name].digest);
    expect(inspected.Layers.length).toBeGreaterThan(1);
  });

  it("needs no --set: every variable has a default or comes from keelson", () => {
    expect(variablesOf(bundles[name].contract).required).toEqual([]);
  });

  it("has a configuration that is read-only, quick to isolate, and within what any host allows", async () => {
    const config = JSON.parse(await readFile(join(bundles[name].directory, "config.json"), "utf8"));
    expect(config.root).toEqual({ path: "rootfs", readonly: true });
    expect(config.process.terminal).toBe(false);
    expect(config.process.rlimits).toBeUndefined();
    expect(config.linux.cgroupsPath).toBeUndefined();
    expect(config.linux.namespaces).not.toContainEqual({ type: "network" });
    for (const { type, options } of config.mounts) {
      if (type === "bind") expect(options.filter((option: string) => option.startsWith("mode="))).toEqual([]);
    }
  });

  it("has a directory or file for everything that is mounted, so that nothing is made in the deployment", async () => {
    const config = JSON.parse(await readFile(join(bundles[name].directory, "config.json"), "utf8"));
    const within = config.mounts.map((mount: { destination: string }) => mount.destination);
    for (const destination of within.filter((path: string) => !/^\/(?:run|dev)\/./.test(path))) {
      await expect(stat(join(bundles[name].rootfs, destination)), destination).resolves.toBeDefined();
    }
  });

  it("has a unit that systemd accepts", async () => {
    const unit = join(home, `${name}.service`);
    await writeFile(unit, bundles[name].unit.replaceAll(/^(ExecSt\w+)=.+/gm, "$1=/bin/true"));
    const { stderr } = await run("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", unit]);
    expect(stderr.split("\n").filter((line) => line.includes(unit))).toEqual([]);
    expect(bundles[name].unit).not.toContain("network-online");
  });
});

describe("the order of the units", () => {
  const settings = (name: ExampleName, key: string): readonly string[] =>
    [...bundles[name].unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].flatMap((match) => match[1]?.split(" ") ?? []);

  it("74: is etcd, flanneld, containerd, and each of them says when it is ready", () => {
    expect(settings("flanneld", "After")).toContain("etcd.service");
    expect(settings("flanneld", "Before")).toContain("containerd.service");
    expect(settings("containerd", "After")).toContain("flanneld.service");
    for (const name of ["etcd", "flanneld", "containerd"] as const) expect(settings(name, "Type")).toEqual(["notify"]);
  });

  it("74: makes no failure permanent: nothing is required, and what fails is started again", () => {
    expect(settings("flanneld", "Wants")).toEqual(["etcd.service"]);
    expect(settings("flanneld", "WantedBy")).toEqual(["multi-user.target", "containerd.service"]);
    for (const name of exampleNames) {
      expect(settings(name, "Restart")).toEqual(["on-failure"]);
      expect(bundles[name].unit).not.toMatch(/^(?:Requires|RequiredBy|BindsTo|Requisite)=/m);
    }
  });
});

describe("what the images put on the host", () => {
  it("30: etcdctl and etcd.conf are named after the container", () => {
    const { hostPaths } = bundles.etcd;
    expect(hostPaths.get("/usr/local/bin/etcdctl")).toBe("/usr/local/bin/etcdctl");
    expect(hostPaths.get("/etc/etcd/etcd.conf")).toBe(join(bundles.etcd.host, "etc/etcd/etcd.conf"));
    expect(bundles.etcd.contract.manifest.renameFiles.get("/usr/local/bin/etcdctl")).toBe(
      "/usr/local/bin/$" + "{NAME}ctl",
    );
  });

  it("etcdctl of the image runs on this host", async () => {
    const program = join(bundles.etcd.rootfs, "exports/hostfs/usr/local/bin/etcdctl");
    expect((await run(program, ["version"])).stdout).toContain("etcdctl version: 3.4");
  });

  it("31: containerd-ctr is a template that calls ctr inside the container", () => {
    const { contract, values } = bundles.containerd;
    const [file] = contract.hostfs.filter((entry) => entry.path === contract.manifest.installedFilesTemplate[0]);
    if (file?.kind !== "file") throw new Error("the templated file is not there");
    expect(file.mode).toBe(0o755);
    expect(renderText(hostTemplate(file), values)).toContain('exec /usr/sbin/runc exec containerd /usr/bin/ctr "$@"');
  });

  it("hello-world has nothing on the host and wants no tmpfiles", () => {
    expect(bundles["hello-world"].contract.hostfs).toEqual([]);
    expect(bundles["hello-world"].tmpfiles).toBe("");
  });
});
