import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { buildIndex, push, type TestImage } from "../bed/images.ts";
import { failureOf, type Host, makeHost, runKeelson } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { type Snapshot, takeSnapshot } from "../bed/snapshot.ts";

const shelf = openShelf();
const user = { name: "somebody", password: "s3cret-w0rd" };
let scratch: string;
let registry: TestRegistry;
let closed: TestRegistry;
let etcd: TestImage;

/** Installs an image as NAME; its id and everything in its tree. */
async function installed(host: Host, name: string, reference: string): Promise<{ id: string; tree: Snapshot }> {
  const { id } = await host.answer("install", "--tls-verify=false", "--name", name, reference);
  return { id, tree: await takeSnapshot(host.path(`/var/lib/keelson/deployments/${name}/current/rootfs`)) };
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-transports-"));
  [registry, closed, etcd] = await Promise.all([
    startRegistry(),
    startRegistry({ tls: true, user }),
    shelf.build({ layers: [etcdLike(), { "etc/second": "2\n" }] }),
  ]);
  await push(etcd.reference, `${registry.host}/etcd:v1`);
  await push(etcd.reference, `${closed.host}/etcd:v1`, { user });
  await writeFile(join(scratch, "ca.pem"), closed.ca ?? "");
  const auth = Buffer.from(`${user.name}:${user.password}`).toString("base64");
  await writeFile(join(scratch, "auth.json"), JSON.stringify({ auths: { [closed.host]: { auth } } }));
});

afterAll(() => Promise.all([registry.stop(), closed.stop(), rm(scratch, { recursive: true })]));

async function copy(target: string, ...options: readonly string[]): Promise<string> {
  await run("skopeo", "copy", "-q", ...options, etcd.reference, target);
  return target;
}

it("65: registry, layout, oci-archive and docker-archive give the same image id and tree", async () => {
  const references = [
    `docker://${registry.host}/etcd:v1`,
    etcd.reference,
    await copy(`oci-archive:${scratch}/etcd.oci.tar:v1`),
    await copy(`docker-archive:${scratch}/etcd.docker.tar:registry.example/org/etcd:v1`),
    await copy(`oci:${scratch}/zstd:v1`, "--dest-compress-format", "zstd", "--dest-compress"),
  ];
  const host = await makeHost();
  const found: unknown[] = [];
  for (const [index, reference] of references.entries()) found.push(await installed(host, `c${index}`, reference));

  expect(found).toEqual(references.map(() => found[0]));
});

it("65: a layer that one transport brought is not fetched again by another", async () => {
  const host = await makeHost();
  await host.answer("pull", "--tls-verify=false", `${registry.host}/etcd:v1`);
  const { stderr } = await host.keelson("pull", etcd.reference);
  expect(stderr.match(/already here/g)).toHaveLength(2);
});

it("a Docker schema 2 manifest installs as its OCI twin does", async () => {
  const host = await makeHost();
  await push(etcd.reference, `${registry.host}/schema2:v1`, { format: "v2s2" });
  const one = await installed(host, "one", `${registry.host}/schema2:v1`);
  const two = await installed(host, "two", etcd.reference);
  expect(one).toEqual(two);
});

it("of an index the host's platform is taken, or the one asked for", async () => {
  const [amd64, arm64] = await Promise.all(
    ["amd64", "arm64"].map((architecture) =>
      shelf.build({ layers: [{ "etc/arch": `${architecture}\n` }], config: { architecture, command: ["/x"] } }),
    ),
  );
  if (amd64 === undefined || arm64 === undefined) throw new Error("an image is missing");
  const index = await buildIndex([amd64, arm64]);
  await push(index.reference, `${registry.host}/index:v1`, { all: true }).finally(index.remove);
  const host = await makeHost();
  const install = (name: string, ...args: readonly string[]) =>
    host.answer("install", "--tls-verify=false", "--name", name, ...args, `${registry.host}/index:v1`);
  await install("other", "--platform", "linux/arm64");
  await install("own", "--platform", "linux/amd64");

  expect(host.read("/var/lib/keelson/deployments/other/current/rootfs/etc/arch")).toBe("arm64\n");
  expect(host.read("/var/lib/keelson/deployments/own/current/rootfs/etc/arch")).toBe("amd64\n");
});

it("a registry with a certificate and a password is reached with SSL_CERT_FILE and REGISTRY_AUTH_FILE", async () => {
  const host = await makeHost();
  const environment = { SSL_CERT_FILE: join(scratch, "ca.pem"), REGISTRY_AUTH_FILE: join(scratch, "auth.json") };
  const ran = await runKeelson(["--root", host.root, "pull", `${closed.host}/etcd:v1`], { environment });
  expect(ran.status, ran.stderr).toBe(0);
});

it("a registry whose certificate nobody vouches for is refused, and so is one without TLS", async () => {
  const host = await makeHost();
  for (const { host: name } of [closed, registry]) {
    expect((await host.refused(1, "pull", `${name}/etcd:v1`)).code).toBe("E_REGISTRY");
  }
});

it("a missing or wrong password is E_AUTH, and no password is ever printed", async () => {
  const host = await makeHost();
  const auth = Buffer.from("somebody:wr0ng-w0rd").toString("base64");
  await writeFile(join(scratch, "wrong.json"), JSON.stringify({ auths: { [closed.host]: { auth } } }));
  for (const file of ["wrong.json", "none.json"]) {
    const environment = { SSL_CERT_FILE: join(scratch, "ca.pem"), REGISTRY_AUTH_FILE: join(scratch, file) };
    const ran = await runKeelson(["--root", host.root, "--json", "pull", `${closed.host}/etcd:v1`], { environment });
    expect([ran.status, failureOf(ran).code]).toEqual([1, "E_AUTH"]);
    expect(`${ran.stdout}${ran.stderr}`).not.toMatch(new RegExp(`wr0ng|s3cret|${auth}`));
  }
});

it("keelson.conf can trust a certificate and switch off checking", async () => {
  const host = await makeHost();
  await mkdir(host.path("/etc/keelson"));
  await writeFile(host.path("/etc/keelson/keelson.conf"), "tls_verify = false\n");
  expect((await host.answer("pull", `${registry.host}/etcd:v1`)).id).toMatch(/^sha256:/);
  const conf = `ca_file = ${scratch}/ca.pem\nauth_file = ${scratch}/auth.json\n`;
  await writeFile(host.path("/etc/keelson/keelson.conf"), conf);
  expect((await host.answer("pull", `${closed.host}/etcd:v1`)).id).toMatch(/^sha256:/);
});
