import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openGpg } from "../bed/gpg.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { type TestImage, topDigest } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { takeSnapshot } from "../bed/snapshot.ts";

const shelf = openShelf();
const gpg = openGpg();
let scratch: string;
let image: TestImage;
let digest: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-own-store-"));
  image = await shelf.build({
    layers: [
      etcdLike({ "usr/bin/twin": { kind: "hardlink", target: "usr/bin/etcd" }, pipe: { kind: "fifo" } }),
      {
        "etc/second": { kind: "file", content: "2\n", uid: 3, gid: 4, mode: 0o4750, xattrs: { "user.note": "kept" } },
        "exports/.wh.tmpfiles.template": "",
        [`${"long/".repeat(30)}name`]: "long",
      },
    ],
  });
  digest = await topDigest(image);
});

afterAll(() => rm(scratch, { recursive: true }));

/** A host whose store has the image, and what it is called there; where it came from is gone. */
async function withImage(): Promise<{ host: Host; name: string }> {
  const layout = join(await mkdtemp(join(scratch, "gone-")), "etcd");
  await cp(image.directory, layout, { recursive: true });
  const host = await makeHost();
  const name = `oci:${layout}:latest`;
  await host.answer("pull", name);
  await rm(layout, { recursive: true });
  return { host, name };
}

const tree = (host: Host) => takeSnapshot(host.path("/var/lib/keelson/deployments/etcd/current/rootfs"));
const install = (host: Host, from: string) => host.keelson("install", "--name", "etcd", from);

it("an image is installed out of the store by its name, its digest and its id, with nothing else there", async () => {
  const { host, name } = await withImage();
  const before = await host.answer<{ id: string }>("info", digest.slice(7, 19));
  for (const what of [name, digest, before.id]) {
    const { status, stderr } = await install(host, `ostree:${what}`);
    expect([status, stderr.match(/already here/g)?.length], stderr).toEqual([0, 2]);
    expect(await host.answer("info", "etcd")).toMatchObject({ digest, id: before.id });
    expect((await host.keelson("update", "etcd")).stdout).toContain("Latest version already installed");
    await host.answer("uninstall", "etcd");
  }
  expect((await host.keelson("inspect", "--raw", `ostree:${name}`)).stdout).toBe(
    await run("skopeo", "inspect", "--raw", image.reference),
  );
  expect((await host.refused(3, "install", "--name", "etcd", "ostree:a.example/b")).message).toContain(name);
  expect((await host.refused(2, "copy", image.reference, `ostree:${name}`)).code).toBe("E_REFERENCE");
});

it("a copy has new layers that make the same tree, and a copy of the copy is the same byte for byte", async () => {
  const { host, name } = await withImage();
  const target = join(scratch, "copied");
  const copied = await host.keelson("--json", "copy", `ostree:${name}`, `oci:${target}:v1`);
  expect(copied.status, copied.stderr).toBe(0);
  const first = JSON.parse(copied.stdout);
  expect(first.sourceDigest).toBe(digest);
  expect(copied.stderr).toContain(`the copy of ${digest} has layers of its own, another id and another digest`);
  await run("skopeo", "copy", "-q", `oci:${target}:v1`, `dir:${scratch}/dir`);
  await run("umoci", "unpack", "--image", `${target}:v1`, join(scratch, "unpacked"));
  expect(await readFile(join(scratch, "unpacked/rootfs/etc/second"), "utf8")).toBe("2\n");
  expect(await run("stat", "-c", "%a %u %g %h", join(scratch, "unpacked/rootfs/etc/second"))).toBe("4750 3 4 1\n");
  expect(await run("stat", "-c", "%a %h", join(scratch, "unpacked/rootfs/usr/bin/twin"))).toBe("755 2\n");

  const other = await makeHost();
  for (const [where, from] of [
    [host, `ostree:${name}`],
    [other, `oci:${target}:v1`],
  ] as const) {
    expect((await install(where, from)).status).toBe(0);
  }
  expect(await tree(other)).toEqual(await tree(host));
  const again = await other.keelson("--json", "copy", `ostree:oci:${target}:v1`, `oci:${target}:v2`);
  expect(JSON.parse(again.stdout)).toMatchObject({ digest: first.digest, sourceDigest: first.digest, copied: 0 });
  expect(again.stderr).not.toContain("has layers of its own");
  const archive = [
    "copy",
    "--compress",
    "gzip",
    `ostree:${digest}`,
    `docker-archive:${scratch}/c.tar:a.example/etcd:v1`,
  ];
  expect((await host.keelson(...archive)).status).toBe(0);
});

it("a file that is not what its object says is not copied, and nothing is left of the copy", async () => {
  const { host, name } = await withImage();
  const objects = host.path("/var/lib/keelson/repo/objects");
  const found = await run("grep", "-rlx", "the etcd program", objects);
  const path = found.trim();
  const bytes = await readFile(path);
  await writeFile(path, "the ETCD program\n");
  const target = join(scratch, "damaged");
  const failure = await host.refused(1, "copy", `ostree:${name}`, `oci:${target}:v1`);
  expect([failure.code, failure.message]).toEqual(["E_STORE", expect.stringContaining("is damaged")]);
  await expect(readdir(target)).rejects.toMatchObject({ code: "ENOENT" });
  await writeFile(path, bytes);
});

it("a policy that has come to want more is not met by what is in the store", async () => {
  const { host, name } = await withImage();
  await run("mkdir", "-p", host.path("/etc/containers"));
  const policy = (scopes: object): Promise<void> =>
    writeFile(
      host.path("/etc/containers/policy.json"),
      JSON.stringify({ default: [{ type: "insecureAcceptAnything" }], transports: { oci: scopes } }),
    );
  const keyData = gpg.publicKey(gpg.makeKey("one@example.com")).toString("base64");
  await policy({ "": [{ type: "reject" }] });
  for (const what of [name, digest]) {
    expect((await host.refused(12, "install", "--name", "etcd", `ostree:${what}`)).code).toBe("E_POLICY");
  }
  await policy({ "": [{ type: "signedBy", keyType: "GPGKeys", keyData }] });
  const bundle = ["bundle", "--insecure-policy", "-o", join(scratch, "bundle.tar"), `ostree:${name}`];
  expect((await host.refused(1, ...bundle)).message).toContain("the store has no layers as they were signed");
  const failure = await host.refused(12, "install", "--name", "etcd", `ostree:${name}`);
  expect(failure.message).toContain("has not been verified under the policy that holds now");
});
