import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { buildIndex, push, type TestImage, topDigest } from "../bed/images.ts";
import { failureOf, runKeelson } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";

const shelf = openShelf();
const user = { name: "somebody", password: "s3cret-w0rd" };
const tls = "--tls-verify=false";
let scratch: string;
let registry: TestRegistry;
let closed: TestRegistry;
let image: TestImage;
let index: TestImage;
let digest: string;
let counter = 0;

interface Copied {
  readonly digest: string;
  readonly mediaType: string;
  readonly copied: number;
  readonly present: number;
  readonly mounted: number;
  readonly bytes: number;
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-copy-"));
  [registry, closed, image] = await Promise.all([
    startRegistry(),
    startRegistry({ tls: true, user }),
    // The second layer is larger than one part of an upload.
    shelf.build({ layers: [{ "etc/first": "1\n" }, { large: randomBytes(20_000_000).toString("latin1") }] }),
  ]);
  const arm = await shelf.build({ layers: [{ "etc/arm": "1\n" }], config: { architecture: "arm64" } });
  index = await buildIndex([image, arm]);
  digest = await topDigest(image);
});

afterAll(() => Promise.all([registry.stop(), closed.stop(), index.remove(), rm(scratch, { recursive: true })]));

const fresh = (): string => join(scratch, `target-${counter++}`);

async function copy(...args: readonly string[]): Promise<Copied> {
  const ran = await runKeelson(["--json", "copy", tls, ...args]);
  expect(ran.status, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout);
}

async function refused(...args: readonly string[]): Promise<readonly [number, string]> {
  const ran = await runKeelson(["--json", "copy", tls, ...args]);
  return [ran.status, failureOf(ran).code];
}

const rawDigest = async (reference: string): Promise<string> => {
  const file = fresh();
  await writeFile(file, await run("skopeo", "inspect", "--raw", tls, reference));
  return (await run("skopeo", "manifest-digest", file)).trim();
};

it("to a registry, a layout, an archive and a directory, and from each to the next, digests stay", async () => {
  const layout = fresh();
  const targets = [
    `docker://${registry.host}/copied:v1`,
    `oci:${layout}:v1`,
    `oci-archive:${fresh()}.tar:v1`,
    `dir:${fresh()}`,
    `docker://${registry.host}/again:v1`,
  ];
  let from = image.reference;
  for (const to of targets) {
    expect(await copy(from, to), to).toMatchObject({ digest, copied: 3, present: 0 });
    expect(await rawDigest(to), to).toBe(digest);
    await run("skopeo", "copy", "-q", "--src-tls-verify=false", to, `dir:${fresh()}`);
    from = to;
  }
  await run("umoci", "unpack", "--image", `${layout}:v1`, fresh());
});

it("what skopeo writes is copied, and a blob that is there already is not sent again", async () => {
  const target = `${registry.host}/present:v1`;
  await push(image.reference, target, { unchanged: true });
  expect(await copy(image.reference, `docker://${target}`)).toMatchObject({ copied: 0, present: 3, bytes: 0 });
});

it("within one registry blobs are mounted, not sent", async () => {
  await push(image.reference, `${registry.host}/here:v1`, { unchanged: true });
  const copied = await copy(`${registry.host}/here:v1`, `${registry.host}/there:v1`);
  expect(copied).toMatchObject({ digest, copied: 0, mounted: 3, bytes: 0 });
  expect(await rawDigest(`docker://${registry.host}/there:v1`)).toBe(digest);
});

it("a docker-archive has the same image, and is never written over", async () => {
  const file = `${fresh()}.tar`;
  await copy(image.reference, `docker-archive:${file}:team/app:v1`);
  const config = await run("skopeo", "inspect", "--config", "--raw", `docker-archive:${file}:team/app:v1`);
  expect(config).toBe(await run("skopeo", "inspect", "--config", "--raw", image.reference));
  // Here skopeo calls plain layers gzip.
  const plain = `dir:${fresh()}`;
  await run("skopeo", "copy", "-q", `docker-archive:${file}:team/app:v1`, plain);
  const again = `docker-archive:${fresh()}.tar`;
  await copy(plain, again);
  expect(await run("skopeo", "inspect", "--config", "--raw", again)).toBe(config);
  expect(await copy("--compress", "gzip", plain, `oci:${fresh()}:v1`)).toMatchObject({ copied: 3 });
  await copy(`docker-archive:${file}`, `oci:${fresh()}:v1`);
  const before = await readFile(file);
  expect(await refused(image.reference, `docker-archive:${file}`)).toEqual([4, "E_FILE_EXISTS"]);
  expect((await readFile(file)).equals(before)).toBe(true);
});

it("--format converts manifests, layers and id unchanged, there and back", async () => {
  const docker = `dir:${fresh()}`;
  const one = await copy("--format", "v2s2", image.reference, docker);
  expect(one.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
  const [before, converted] = await Promise.all(
    [image.reference, docker].map(async (name) => JSON.parse(await run("skopeo", "inspect", "--raw", name))),
  );
  const names = (layers: readonly { digest: string }[]): readonly string[] => layers.map((layer) => layer.digest);
  expect([converted.config.digest, names(converted.layers)]).toEqual([before.config.digest, names(before.layers)]);
  expect(await rawDigest(docker)).toBe(one.digest);
  expect(await copy("--format", "v2s2", docker, `${registry.host}/converted:v1`)).toMatchObject({ digest: one.digest });
  await run(
    "skopeo",
    "copy",
    "-q",
    "--src-tls-verify=false",
    `docker://${registry.host}/converted:v1`,
    `dir:${fresh()}`,
  );
  expect((await copy("--format", "oci", docker, `oci:${fresh()}:v1`)).mediaType).toBe(
    "application/vnd.oci.image.manifest.v1+json",
  );
});

it.each(["zstd", "gzip"])("--compress %s changes the layers and nothing they unpack to", async (compression) => {
  const other = `oci:${fresh()}:v1`;
  const elsewise = compression === "zstd" ? "gzip" : "zstd";
  await run("skopeo", "copy", "-q", "--dest-compress", "--dest-compress-format", elsewise, image.reference, other);
  const target = `oci:${fresh()}:v1`;
  const { digest: first } = await copy("--compress", compression, other, target);
  const { layers, config } = JSON.parse(await run("skopeo", "inspect", "--raw", target));
  const suffixes = layers.map((layer: { mediaType: string }) => layer.mediaType.split("+")[1]);
  expect(suffixes).toEqual([compression, compression]);
  expect(config).toEqual(JSON.parse(await run("skopeo", "inspect", "--raw", image.reference)).config);
  expect(await copy("--compress", compression, other, `oci:${fresh()}:v1`)).toMatchObject({ digest: first });
  expect((await copy("--compress", compression, target, `dir:${fresh()}`)).digest).toBe(first);
  await copy(target, `docker-archive:${fresh()}.tar`);
  if (compression === "gzip") return;
  expect(await refused("--format", "v2s2", target, `dir:${fresh()}`)).toEqual([1, "E_MANIFEST"]);
});

it("--all copies an index with every image; without it the one for the platform", async () => {
  const top = await topDigest(index);
  const targets = [`docker://${registry.host}/all:v1`, `oci:${fresh()}:v1`, `dir:${fresh()}`];
  for (const to of targets) {
    expect(await copy("--all", index.reference, to), to).toMatchObject({ digest: top });
    expect(await rawDigest(to), to).toBe(top);
    await run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", to, `dir:${fresh()}`);
  }
  const one = await copy("--platform", "linux/amd64", index.reference, `dir:${fresh()}`);
  expect(one.digest).toBe(digest);
  const converted = await copy("--all", "--format", "v2s2", index.reference, `${registry.host}/list:v1`);
  expect(converted.mediaType).toBe("application/vnd.docker.distribution.manifest.list.v2+json");
  await run(
    "skopeo",
    "copy",
    "-q",
    "--all",
    tls.replace("--", "--src-"),
    `docker://${registry.host}/list:v1`,
    `dir:${fresh()}`,
  );
  expect(await refused("--all", index.reference, `docker-archive:${fresh()}`)).toEqual([2, "E_USAGE"]);
});

it("a registry with TLS and a password is written to, and not without", async () => {
  const target = `${closed.host}/app:v1`;
  await writeFile(join(scratch, "ca.pem"), closed.ca ?? "");
  const auth = Buffer.from(`${user.name}:${user.password}`).toString("base64");
  await writeFile(join(scratch, "auth.json"), JSON.stringify({ auths: { [closed.host]: { auth } } }));
  const environment = { SSL_CERT_FILE: join(scratch, "ca.pem"), REGISTRY_AUTH_FILE: join(scratch, "auth.json") };
  const ran = await runKeelson(["copy", image.reference, target], { environment });
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout).toBe(`${target} ${digest}\n`);
  expect(await refused(image.reference, target)).toEqual([1, "E_AUTH"]);
});

it("a layout keeps its other images, and an image of one name takes the place of the one before", async () => {
  const layout = fresh();
  for (const [source, tag] of [
    [image, "a"],
    [index, "b"],
    [index, "a"],
  ] as const) {
    await copy("--all", source.reference, `oci:${layout}:${tag}`);
  }
  const { manifests } = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  expect(manifests).toHaveLength(2);
  expect(await rawDigest(`oci:${layout}:a`)).toBe(await topDigest(index));
});

it("a damaged layer is refused, and nothing is left of the copy", async () => {
  const damaged = fresh();
  await run("cp", "-a", image.directory, damaged);
  const { layers } = JSON.parse(await run("skopeo", "inspect", "--raw", image.reference));
  const blob = join(damaged, "blobs/sha256", layers[1].digest.slice(7));
  const bytes = await readFile(blob);
  await writeFile(blob, bytes.fill((bytes[1000] ?? 0) ^ 1, 1000, 1001));
  const parent = fresh();
  await mkdir(parent);
  for (const to of [
    `oci:${parent}/a/b:v1`,
    `dir:${parent}/dir`,
    `oci-archive:${parent}/x.tar`,
    `docker-archive:${parent}/y`,
  ]) {
    const [status, code] = await refused(`oci:${damaged}`, to);
    expect([status, code], to).toEqual([1, expect.stringMatching(/^E_(?:DIGEST|LAYER)$/)]);
    expect(await readdir(parent), to).toEqual([]);
  }
  expect(await refused(`oci:${damaged}`, `${registry.host}/damaged:v1`)).toEqual([1, "E_DIGEST"]);
  expect((await runKeelson(["tags", tls, `${registry.host}/damaged`])).stdout).toBe("");
});

it("a directory with other files is not written into", async () => {
  expect(await refused(image.reference, `dir:${scratch}`)).toEqual([4, "E_FILE_EXISTS"]);
});
