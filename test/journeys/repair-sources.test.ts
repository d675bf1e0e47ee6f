import { chmod, cp, readdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { flip, repair } from "../bed/repair.ts";
import { run } from "../bed/run.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { type FakeRegistry, refuse, startFakeRegistry } from "../fakes/registry.ts";

const shelf = openShelf();
const insecure = "--tls-verify=false";
const state = "/var/lib/keelson";
const tool = (name: string, generation = 1): string => `${state}/deployments/${name}/${generation}/rootfs/usr/bin/tool`;
let registry: FakeRegistry;
let image: TestImage;
let layers: readonly { readonly digest: string }[];

beforeAll(async () => {
  registry = await startFakeRegistry();
  const second = {
    "usr/bin/tool": { kind: "file", content: "tool\n", mode: 0o755 },
    "usr/bin/other": "other\n",
  } as const;
  image = await shelf.build({ layers: [etcdLike(), second, { "third layer": "3\n" }] });
  layers = await serve(image, "v1");
});
afterAll(() => registry.stop());
beforeEach(() => {
  registry.fault = () => false;
  forgetRequests();
});

/** Puts an image into the registry under a tag; its layers. */
async function serve(from: TestImage, tag: string): Promise<readonly { readonly digest: string }[]> {
  const blobs = join(from.directory, "blobs/sha256");
  for (const hex of await readdir(blobs)) registry.blobs.set(`sha256:${hex}`, await readFile(join(blobs, hex)));
  const index = JSON.parse(await readFile(join(from.directory, "index.json"), "utf8"));
  const { digest, mediaType: type } = index.manifests[0];
  const bytes = registry.blobs.get(digest) ?? Buffer.alloc(0);
  registry.manifests.set(tag, { type, bytes }).set(digest, { type, bytes });
  return JSON.parse(bytes.toString()).layers;
}

let begun = 0;
const forgetRequests = (): void => {
  begun = registry.requests.length;
};
/** What was asked of the registry since. */
const asked = (): readonly string[] =>
  registry.requests.slice(begun).map(({ path }) => path.replace(/^\/v2\/[^/]*\//, ""));

async function installed(...names: readonly string[]): Promise<Host> {
  const host = await makeHost();
  for (const name of names) await host.answer("install", insecure, "--name", name, `${registry.host}/etcd:v1`);
  forgetRequests();
  return host;
}

/** The object that a file of a deployment is a link of. */
async function objectOf(host: Host, path: string): Promise<string> {
  const { ino } = await stat(host.path(path));
  return (await run("find", host.path(`${state}/repo/objects`), "-inum", String(ino))).trim();
}

describe("72: verify --repair, where the store's own object is damaged", () => {
  it("fetches the one layer it came in, and nothing else, wherever the tag is by now", async () => {
    const host = await installed("foo");
    const whole = await host.snapshot();
    await serve(await shelf.build({ layers: [etcdLike()] }), "v1");
    await flip(host.path(tool("foo")));
    const { status, repaired } = await repair(host, insecure);
    await serve(image, "v1");
    expect(status).toBe(0);
    expect(asked()).toEqual([`blobs/${layers[1]?.digest}`]);
    const source = `layer ${layers[1]?.digest.slice(7, 19)} of ${registry.host}/etcd:v1`;
    expect(repaired).toMatchObject([
      { container: "foo", path: host.path(tool("foo")), source },
      { container: null, problem: "changed", source },
    ]);
    expect(await host.snapshot()).toEqual(whole);
    expect(await objectOf(host, tool("foo"))).not.toBe("");
  });

  it("fetches nothing when another deployment has the file whole", async () => {
    const host = await installed("foo", "bar");
    const whole = await host.snapshot();
    registry.fault = (_, response) => refuse(response, 500, "UNKNOWN");
    const object = await objectOf(host, tool("foo"));
    // The inode that foo and the store have is damaged; bar has another one, as where an inode takes no more links.
    const copy = host.path(`${tool("bar")}.copy`);
    await run("cp", "-a", host.path(tool("bar")), copy);
    await rename(copy, host.path(tool("bar")));
    await flip(object);
    const { status, repaired } = await repair(host);
    expect([status, asked()]).toEqual([0, []]);
    expect(repaired.map(({ source }) => source)).toEqual(["generation 1 of bar", "generation 1 of bar"]);
    expect(await host.snapshot()).toEqual(whole);
    expect(await objectOf(host, tool("foo"))).toBe(object);
    expect((await stat(object)).nlink).toBe(3);
  });

  it("fetches nothing when the object is lost and deployments still have it", async () => {
    const host = await installed("foo");
    const whole = await host.snapshot();
    registry.fault = (_, response) => refuse(response, 500, "UNKNOWN");
    for (const name of await readdir(host.path(`${state}/repo/objects`))) {
      await rm(host.path(`${state}/repo/objects/${name}`), { recursive: true });
    }
    const { status, findings, repaired } = await repair(host);
    // What only /exports or a later layer's place had is in no deployment; here everything is.
    expect([status, findings, asked()]).toEqual([0, [], []]);
    expect(new Set(repaired.map(({ source }) => source))).toEqual(new Set(["generation 1 of foo", "the store"]));
    expect(await host.snapshot()).toEqual(whole);
  });

  it("leaves the finding, with the reason, when the registry cannot be reached, and heals what it can", async () => {
    const host = await installed("foo");
    const whole = await host.snapshot();
    await flip(host.path(tool("foo")));
    const damaged = await host.snapshot();
    await unlink(host.path("/etc/foo/etcd.conf"));
    registry.fault = (_, response) => refuse(response, 403, "DENIED");
    const { status, clean, repaired, findings } = await repair(host, insecure);
    expect([status, clean]).toEqual([9, false]);
    expect(repaired).toMatchObject([{ path: "/etc/foo/etcd.conf" }]);
    const reason = expect.stringContaining("DENIED");
    expect(findings).toMatchObject([
      { container: "foo", path: host.path(tool("foo")), reason },
      { container: null, reason },
    ]);
    expect(await host.snapshot()).toEqual(damaged);
    registry.fault = () => false;
    expect((await repair(host, insecure)).status).toBe(0);
    expect(await host.snapshot()).toEqual(whole);
  });

  it("believes no layer that is not what its digest says", async () => {
    const host = await installed("foo");
    await flip(host.path(tool("foo")));
    const damaged = await host.snapshot();
    const digest = layers[1]?.digest ?? "";
    const right = registry.blobs.get(digest) ?? Buffer.alloc(0);
    registry.blobs.set(digest, Buffer.concat([right.subarray(0, -1), Buffer.from([1])]));
    const { status, findings } = await repair(host, insecure);
    registry.blobs.set(digest, right);
    expect(status).toBe(9);
    expect(findings[0]?.reason).toContain(digest);
    expect(await host.snapshot()).toEqual(damaged);
    await repair(host, insecure);
  });

  it("heals every deployment that has the file, also of containers that were not asked about", async () => {
    const host = await installed("foo", "bar");
    const whole = await host.snapshot();
    await flip(host.path(tool("foo")));
    const { status, repaired } = await repair(host, insecure, "foo");
    expect(status).toBe(0);
    expect(repaired.map(({ container }) => container).sort()).toEqual(["bar", "foo"]);
    expect(await host.snapshot()).toEqual(whole);
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("touches nothing behind a link that stands in the place of a directory", async () => {
    const host = await installed("foo", "bar");
    const outside = scratchDirectory();
    await run("cp", "-a", host.path(`${state}/deployments/bar/1/rootfs/usr/bin`), join(outside, "bin"));
    await writeFile(join(outside, "bin/tool"), "of the host\n");
    await rm(host.path(`${state}/deployments/bar/1/rootfs/usr`), { recursive: true });
    await symlink(outside, host.path(`${state}/deployments/bar/1/rootfs/usr`));
    await flip(host.path(tool("foo")));
    expect(await repair(host, insecure, "foo")).toMatchObject({ status: 0, repaired: [{ container: "foo" }] });
    expect(await readFile(join(outside, "bin/tool"), "utf8")).toBe("of the host\n");
    expect(await repair(host, insecure)).toMatchObject({ status: 0, repaired: [{ container: "bar" }] });
    expect(await readFile(join(outside, "bin/tool"), "utf8")).toBe("of the host\n");
  });

  it("heals an earlier deployment, which can be gone back to then", async () => {
    const host = await installed("foo");
    await host.answer("update", insecure, "--set", "PORT=1", "foo");
    const whole = await host.snapshot();
    forgetRequests();
    await rm(host.path(`${state}/deployments/foo/1/rootfs/usr`), { recursive: true });
    await flip(host.path(tool("foo", 2)));
    await chmod(host.path(`${state}/deployments/foo/1/config.json`), 0o644);
    const { status, repaired } = await repair(host, insecure, "foo");
    expect([status, asked()]).toEqual([0, [`blobs/${layers[1]?.digest}`]]);
    expect(repaired.map(({ generation }) => generation).sort()).toEqual([1, 1, 2]);
    expect(await host.snapshot()).toEqual(whole);
    await host.answer("rollback", "foo");
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it("asks another place that has the layer when the first fails", async () => {
    const host = await makeHost();
    const copy = join(scratchDirectory(), "layout");
    await cp(image.directory, copy, { recursive: true });
    await host.answer("pull", `oci:${copy}`);
    await host.answer("install", insecure, "--name", "foo", `${registry.host}/etcd:v1`);
    await rm(copy, { recursive: true });
    await flip(host.path(tool("foo")));
    expect(await repair(host, insecure)).toMatchObject({ status: 0 });
  });

  it("says so when the file it came from holds another image now", async () => {
    const host = await makeHost();
    const copy = join(scratchDirectory(), "layout");
    await cp(image.directory, copy, { recursive: true });
    await host.answer("install", "--name", "foo", `oci:${copy}`);
    const other = await shelf.build({ layers: [{ x: "" }] });
    await rm(copy, { recursive: true });
    await cp(other.directory, copy, { recursive: true });
    await rm(host.path(`${state}/images/blobs/sha256`), { recursive: true });
    const { status, findings } = await repair(host);
    expect(status).toBe(9);
    expect(findings).toHaveLength(2);
    for (const { reason } of findings) expect(reason).toContain("is another image now");
    await rm(copy, { recursive: true });
    await cp(image.directory, copy, { recursive: true });
    expect(await repair(host)).toMatchObject({ status: 0, findings: [] });
  });
});
