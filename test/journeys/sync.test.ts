import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
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
let other: TestImage;
let counter = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-sync-"));
  [registry, closed, image, other] = await Promise.all([
    startRegistry(),
    startRegistry({ tls: true, user }),
    shelf.build({ layers: [{ file: "1" }] }),
    shelf.build({ layers: [{ file: "2" }] }),
  ]);
  for (const name of ["a/app:v1", "a/app:v1.1", "b/app:v1"])
    await push(image.reference, `${registry.host}/${name}`, { unchanged: true });
  await push(other.reference, `${registry.host}/a/app:v2`, { unchanged: true });
  await push(other.reference, `${closed.host}/secret/app:v1`, { user, unchanged: true });
});

afterAll(() => Promise.all([registry.stop(), closed.stop(), rm(scratch, { recursive: true })]));

const fresh = (): string => join(scratch, `target-${counter++}`);

async function sync(status: number, ...args: readonly string[]) {
  const ran = await runKeelson(["--json", "sync", ...args]);
  expect(ran.status, ran.stderr).toBe(status);
  return { ...JSON.parse(ran.stdout), stderr: ran.stderr };
}

/** Every image below a directory, by its path: the manifest's bytes. */
async function imagesIn(directory: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(directory, { recursive: true });
  const manifests = entries.filter((entry) => entry.endsWith("manifest.json")).sort();
  const read = async (entry: string): Promise<[string, string]> => [
    entry,
    await readFile(join(directory, entry), "utf8"),
  ];
  return Object.fromEntries(await Promise.all(manifests.map(read)));
}

async function tagsOf(repository: string): Promise<readonly string[]> {
  return JSON.parse(await run("skopeo", "list-tags", tls, `docker://${repository}`)).Tags;
}

/** A list for both programs. */
async function writeList(): Promise<string> {
  await mkdir(join(scratch, "certs"), { recursive: true });
  await writeFile(join(scratch, "certs/ca.crt"), closed.ca ?? "");
  const list = {
    [registry.host]: {
      "tls-verify": false,
      images: { "b/app": [], "a/app": [await topDigest(image)] },
      "images-by-tag-regex": { "a/app": "^v1[.]" },
    },
    [closed.host]: {
      images: { "secret/app": ["v1"] },
      credentials: { username: user.name, password: user.password },
      "cert-dir": join(scratch, "certs"),
    },
  };
  const path = join(scratch, "list.yaml");
  // YAML is a superset of JSON.
  await writeFile(path, JSON.stringify(list));
  return path;
}

describe("sync brings to a directory what skopeo brings", () => {
  it("of a repository, and takes it from there into a registry, as skopeo does", async () => {
    const [ours, theirs] = [fresh(), fresh()];
    await mkdir(theirs);
    const given = ["--src", "docker", "--dest", "dir", "--scoped", "--src-tls-verify=false"];
    const { images, failed } = await sync(0, ...given, `${registry.host}/a/app`, ours);
    await run("skopeo", "sync", ...given, `${registry.host}/a/app`, theirs);
    expect(await imagesIn(ours)).toEqual(await imagesIn(theirs));
    expect(Object.keys(await imagesIn(ours))).toHaveLength(3);
    expect([images.length, failed]).toEqual([3, []]);
    expect(images[0]).toMatchObject({
      source: `${registry.host}/a/app:v1`,
      destination: `dir:${ours}/${registry.host}/a/app:v1`,
      digest: await topDigest(image),
    });

    await sync(0, tls, ours, `docker://${registry.host}/mirror`);
    expect(await tagsOf(`${registry.host}/mirror/app`)).toEqual(["v1", "v1.1", "v2"]);
    await run(
      "skopeo",
      "sync",
      ...["--src", "dir", "--dest", "docker"],
      "--dest-tls-verify=false",
      ours,
      `${registry.host}/by-skopeo`,
    );
    expect(await tagsOf(`${registry.host}/by-skopeo/app`)).toEqual(["v1", "v1.1", "v2"]);
    // Another time there is nothing to fetch.
    const again = await sync(0, tls, "--scoped", `${registry.host}/a/app:v1`, `${ours}/`);
    expect(again.images).toMatchObject([{ copied: 0, present: 2 }]);
  });

  it("of a list, with the credentials and certificates that stand in it; --dry-run only says so", async () => {
    const list = await writeList();
    const [ours, theirs] = [fresh(), fresh()];
    await mkdir(theirs);
    const dry = await sync(10, "--dry-run", "--scoped", list, ours);
    expect(dry.images).toHaveLength(4);
    expect(await readdir(scratch)).not.toContain(ours.slice(scratch.length + 1));
    const { images } = await sync(0, "--scoped", list, ours);
    expect(images.map(({ source }: { source: string }) => source)).toEqual(
      dry.images.map(({ source }: { source: string }) => source),
    );
    await run("skopeo", "sync", "--src", "yaml", "--dest", "dir", "--scoped", list, theirs);
    expect(await imagesIn(ours)).toEqual(await imagesIn(theirs));
  });
});

it("--keep-going leaves out what fails and ends with 1; without it the first failure is the end", async () => {
  const list = join(scratch, "broken.yaml");
  const images = { absent: [], "a/app": ["v1", "absent"], "b/app": ["v1"] };
  await writeFile(list, JSON.stringify({ [registry.host]: { "tls-verify": false, images } }));
  const target = fresh();
  const going = await sync(1, "--keep-going", "--scoped", list, target);
  expect(going.images.map(({ source }: { source: string }) => source)).toEqual([
    `${registry.host}/a/app:v1`,
    `${registry.host}/b/app:v1`,
  ]);
  expect(going.failed).toMatchObject([
    { source: `${registry.host}/absent`, error: { code: "E_REGISTRY" } },
    { source: `${registry.host}/a/app:absent`, error: { code: "E_REGISTRY" } },
  ]);
  expect(going.stderr).toMatch(/warning: .*\/absent: .*\(E_REGISTRY\)/);
  expect(await readdir(join(target, registry.host))).toEqual(["a", "b"]);
  const stopped = await runKeelson(["--json", "sync", "--scoped", list, fresh()]);
  expect([stopped.status, failureOf(stopped).code]).toEqual([1, "E_REGISTRY"]);
});

it("refuses two images of one name without --scoped, directories to directories, and transports it does not know", async () => {
  const list = join(scratch, "twice.yaml");
  const images = { "a/app": ["v1"], "b/app": ["v1"] };
  await writeFile(list, JSON.stringify({ [registry.host]: { images } }));
  const target = fresh();
  for (const args of [
    [list, target],
    [image.directory, "--src", "yml", target],
    ["--src", "docker", "--dest", "oci", `${registry.host}/a/app`, target],
  ]) {
    const ran = await runKeelson(["--json", "sync", tls, ...args]);
    expect([ran.status, failureOf(ran).code], ran.stderr).toEqual([2, "E_USAGE"]);
  }
  await runKeelson(["copy", image.reference, `dir:${target}`]);
  const ran = await runKeelson(["--json", "sync", target, fresh()]);
  expect([ran.status, failureOf(ran).code]).toEqual([2, "E_USAGE"]);
});
