import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { run } from "../bed/run.ts";
import { type Pulled, pull } from "./pull.ts";

let scratch: string;
let image: TestImage;
let expected: Pulled;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-files-"));
  // Two layers of one content: docker archives hold them once and link the other.
  image = await buildImage({ layers: [{ a: "1" }, { b: "2" }, { a: "1" }] });
  expected = await pull(image.reference);
});

afterAll(async () => {
  await image?.remove();
  await rm(scratch, { recursive: true, force: true });
});

/** A copy of the image's layout, changed. */
async function layout(name: string, change: (directory: string) => Promise<unknown>): Promise<string> {
  const directory = join(scratch, name);
  await run("cp", "-a", image.directory, directory);
  await change(directory);
  return directory;
}

async function changeIndex(
  directory: string,
  change: (manifests: Record<string, unknown>[]) => unknown,
): Promise<void> {
  const file = join(directory, "index.json");
  const index = JSON.parse(await readFile(file, "utf8"));
  change(index.manifests);
  await writeFile(file, JSON.stringify(index));
}

function layerBlob(directory: string): string {
  return join(directory, "blobs/sha256", expected.manifest.layers[0]?.digest.slice(7) ?? "");
}

describe("a layout", () => {
  it("with one image needs no tag", async () => {
    expect((await pull(`oci:${image.directory}`)).digest).toBe(expected.digest);
  });

  it("with several images names their tags", async () => {
    const directory = await layout("several", (at) => run("umoci", "tag", "--image", `${at}:latest`, "second"));
    await expect(pull(`oci:${directory}`)).rejects.toMatchObject({
      code: "E_SOURCE",
      message: expect.stringMatching(/latest, second|second, latest/),
    });
    expect((await pull(`oci:${directory}:second`)).digest).toBe(expected.digest);
    await expect(pull(`oci:${directory}:third`)).rejects.toMatchObject({ code: "E_SOURCE" });
  });

  it("in which two images have one name is refused as ambiguous", async () => {
    const directory = await layout("ambiguous", (at) =>
      changeIndex(at, (manifests) => manifests.push(manifests[0] ?? {})),
    );
    await expect(pull(`oci:${directory}:latest`)).rejects.toMatchObject({
      code: "E_SOURCE",
      message: expect.stringContaining("ambiguous"),
    });
  });

  it.each<[string, (blob: string) => Promise<unknown>, string]>([
    ["a fifo", (blob) => rm(blob).then(() => run("mkfifo", blob)), "E_SOURCE"],
    ["a device", (blob) => rm(blob).then(() => run("mknod", blob, "c", "1", "5")), "E_SOURCE"],
    ["a directory", (blob) => rm(blob).then(() => mkdir(blob)), "E_SOURCE"],
    ["a link", (blob) => rm(blob).then(() => symlink("/etc/passwd", blob)), "E_SOURCE"],
    ["absent", (blob) => rm(blob), "E_SOURCE"],
    ["cut off", (blob) => run("truncate", "-s", "-1", blob), "E_DIGEST"],
    ["changed", (blob) => readFile(blob).then((bytes) => writeFile(blob, bytes.fill(0x55, 30, 40))), "E_DIGEST"],
  ])("whose layer is %s is refused", async (what, change, code) => {
    const directory = await layout(`blob-${what.replace(" ", "-")}`, (at) => change(layerBlob(at)));
    await expect(pull(`oci:${directory}`)).rejects.toMatchObject({ code });
  });

  it("whose index describes the manifest wrongly is refused", async () => {
    const size = await layout("size", (at) => changeIndex(at, ([entry]) => Object.assign(entry ?? {}, { size: 5 })));
    await expect(pull(`oci:${size}`)).rejects.toMatchObject({ code: "E_DIGEST" });
    const climbing = { digest: "sha256:../../../etc/passwd" };
    const path = await layout("path", (at) => changeIndex(at, ([entry]) => Object.assign(entry ?? {}, climbing)));
    await expect(pull(`oci:${path}`)).rejects.toMatchObject({ code: "E_MANIFEST" });
  });

  it("that is none is refused", async () => {
    await expect(pull(`oci:${join(scratch, "absent")}`)).rejects.toMatchObject({ code: "E_SOURCE" });
    await expect(pull(`oci:${scratch}`)).rejects.toMatchObject({ code: "E_SOURCE" });
  });
});

describe("a directory that skopeo writes", () => {
  it("gives the same image, digests unchanged", async () => {
    const directory = join(scratch, "dir:v1");
    await run("skopeo", "copy", "-q", image.reference, `dir:${directory}`);
    const pulled = await pull(`dir:${directory}`);
    expect([pulled.digest, pulled.tars]).toEqual([expected.digest, expected.tars]);
    await writeFile(join(directory, "version"), "Directory Transport Version: 2.0\n");
    await expect(pull(`dir:${directory}`)).rejects.toMatchObject({ code: "E_SOURCE" });
    await expect(pull(`dir:${scratch}`)).rejects.toMatchObject({ code: "E_SOURCE" });
  });
});

describe("an archive", () => {
  let docker: string;
  let oci: string;

  beforeAll(async () => {
    docker = join(scratch, "docker.tar");
    oci = join(scratch, "oci.tar");
    await run("skopeo", "copy", "-q", image.reference, `docker-archive:${docker}:team/app:v1`);
    await run("skopeo", "copy", "-q", image.reference, `oci-archive:${oci}:v1`);
  });

  it("of docker is read by any spelling of its name, its links followed inside it", async () => {
    for (const tag of ["", ":team/app:v1", ":docker.io/team/app:v1"]) {
      expect((await pull(`docker-archive:${docker}${tag}`)).tars, tag).toEqual(expected.tars);
    }
    await expect(pull(`docker-archive:${docker}:team/app:v2`)).rejects.toMatchObject({ code: "E_SOURCE" });
  });

  it("of several images gives the one of a name, or of a place", async () => {
    const directory = await mkdtemp(join(scratch, "several-"));
    await run("tar", "-C", directory, "-xf", docker);
    const list = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8"));
    const other = JSON.parse(await readFile(join(directory, list[0].Config), "utf8"));
    await writeFile(join(directory, "other.json"), JSON.stringify({ ...other, author: "other" }));
    const second = { ...list[0], Config: "other.json", RepoTags: ["team/other:v1"] };
    await writeFile(join(directory, "manifest.json"), JSON.stringify([...list, second]));
    await run("tar", "-C", directory, "-cf", `${directory}.tar`, ".");
    const named = await pull(`docker-archive:${directory}.tar:team/other:v1`);
    expect((await pull(`docker-archive:${directory}.tar:@1`)).digest).toBe(named.digest);
    expect((await pull(`docker-archive:${directory}.tar:@0`)).manifest.config).toEqual(
      (await pull(`docker-archive:${docker}`)).manifest.config,
    );
    expect(named.manifest.config.digest).not.toBe(expected.manifest.config.digest);
    for (const tag of ["", ":@2"]) {
      await expect(pull(`docker-archive:${directory}.tar${tag}`)).rejects.toMatchObject({ code: "E_SOURCE" });
    }
  });

  it("of docker is read whatever its images are called, in time that grows as their names do", async () => {
    const directory = await mkdtemp(join(scratch, "names-"));
    await run("tar", "-C", directory, "-xf", docker);
    const list = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8"));
    list[0].RepoTags.push(".".repeat(100_000), `${":".repeat(100_000)}/`);
    await writeFile(join(directory, "manifest.json"), JSON.stringify(list));
    await run("tar", "-C", directory, "-cf", `${directory}.tar`, ".");
    const begun = process.cpuUsage();
    await pull(`docker-archive:${directory}.tar:team/app:v1`);
    expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(5);
  });

  it("gives the same manifest each time", async () => {
    const [first, second] = [await pull(`docker-archive:${docker}`), await pull(`docker-archive:${docker}`)];
    expect(first.digest).toBe(second.digest);
  });

  it.each(["gzip", "zstd"])("compressed with %s is expanded, and nothing of that is left", async (program) => {
    const cache = await mkdtemp(join(scratch, "cache-"));
    for (const [kind, file] of [
      ["docker-archive", docker],
      ["oci-archive", oci],
    ]) {
      const packed = join(scratch, `${kind}.${program}`);
      await run("sh", "-c", `${program} -c < "$0" > "$1"`, file ?? "", packed);
      expect((await pull(`${kind}:${packed}`, { cacheDirectory: cache })).tars).toEqual(expected.tars);
    }
    expect(await readdir(cache)).toEqual([]);
  });

  it("of newer docker, a layout and a manifest.json in one, is read through either", async () => {
    const directory = await layout("hybrid", async (at) => {
      const blob = (digest: string): string => `blobs/sha256/${digest.slice(7)}`;
      const { config, layers } = expected.manifest;
      const entry = { Config: blob(config.digest), RepoTags: ["a:b"], Layers: layers.map((one) => blob(one.digest)) };
      await writeFile(join(at, "manifest.json"), JSON.stringify([entry]));
    });
    const file = join(scratch, "hybrid.tar");
    await run("tar", "-C", directory, "-cf", file, ".");
    const saved = await pull(`docker-archive:${file}:a:b`);
    expect(saved.manifest.config.digest).toBe(expected.manifest.config.digest);
    expect(saved.tars).toEqual(expected.tars);
    expect((await pull(`oci-archive:${file}`)).digest).toBe(expected.digest);
  });

  it.each<[string, object]>([
    ["a host path", { Config: "/etc/passwd", RepoTags: null, Layers: [] }],
    ["a path that climbs", { Config: "../../../../etc/passwd", RepoTags: null, Layers: [] }],
    ["a link to the host", { Config: "link", RepoTags: null, Layers: [] }],
    ["a link that climbs", { Config: "climbs", RepoTags: null, Layers: [] }],
    ["a link to itself", { Config: "self", RepoTags: null, Layers: [] }],
    ["a fifo", { Config: "fifo", RepoTags: null, Layers: [] }],
    ["nothing", {}],
  ])("of docker that points at %s is refused", async (_what, entry) => {
    const directory = await mkdtemp(join(scratch, "hostile-"));
    await writeFile(join(directory, "manifest.json"), JSON.stringify([entry]));
    await symlink("/etc/passwd", join(directory, "link"));
    await symlink("../../../../../../etc/passwd", join(directory, "climbs"));
    await symlink("self", join(directory, "self"));
    await run("mkfifo", join(directory, "fifo"));
    await run("tar", "-C", directory, "-cf", `${directory}.tar`, ".");
    await expect(pull(`docker-archive:${directory}.tar`)).rejects.toMatchObject({ code: "E_SOURCE" });
  });

  it("whose layer is not what its configuration says is refused", async () => {
    const directory = await mkdtemp(join(scratch, "swapped-"));
    await run("tar", "-C", directory, "-xf", docker);
    const list = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8"));
    list[0].Layers.reverse();
    list[0].Layers.push(list[0].Layers.shift());
    await writeFile(join(directory, "manifest.json"), JSON.stringify(list));
    await run("tar", "-C", directory, "-cf", `${directory}.tar`, ".");
    await expect(pull(`docker-archive:${directory}.tar`)).rejects.toMatchObject({ code: "E_DIGEST" });
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ["cut off", (bytes) => bytes.subarray(0, 5000)],
    ["damaged", (bytes) => Buffer.from(bytes).fill(0x55, 100, 120)],
    ["a text", () => Buffer.from("text ".repeat(1000))],
    ["empty", () => Buffer.alloc(0)],
    ["damaged gzip", (bytes) => gzipSync(bytes).subarray(0, -20)],
  ])("that is %s is refused", async (what, change) => {
    const file = join(scratch, `${what.replace(" ", "-")}.tar`);
    await writeFile(file, change(await readFile(docker)));
    await expect(pull(`docker-archive:${file}`)).rejects.toMatchObject({ code: "E_SOURCE" });
  });

  it("that is no file is refused", async () => {
    await run("mkfifo", join(scratch, "pipe"));
    for (const path of ["pipe", "absent", "."]) {
      await expect(pull(`oci-archive:${join(scratch, path)}`)).rejects.toMatchObject({ code: "E_SOURCE" });
    }
  });
});
