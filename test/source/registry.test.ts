import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { buildContainerfile, buildImage, buildIndex, push, type TestImage, topDigest } from "../bed/images.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { pull } from "./pull.ts";

let scratch: string;
let registry: TestRegistry;
let image: TestImage;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-source-"));
  registry = await startRegistry();
  image = await buildImage({
    layers: [{ "etc/motd": "hello\n", "bin/sh": { kind: "symlink", target: "busybox" } }, { "etc/.wh.motd": "" }],
    config: { entrypoint: ["/bin/sh"], labels: { a: "b" } },
  });
  await push(image.reference, `${registry.host}/team/app:v1`);
});

afterAll(async () => {
  await registry?.stop();
  await image?.remove();
  await rm(scratch, { recursive: true, force: true });
});

describe("a registry that Debian ships", () => {
  it("gives an image by tag: manifest, configuration and every layer checked", async () => {
    const pulled = await pull(`${registry.host}/team/app:v1`);
    expect(pulled.digest).toBe(await topDigest(image));
    expect(pulled.config.entrypoint).toEqual(["/bin/sh"]);
    expect(pulled.tars).toEqual(pulled.config.diffIds);
    expect(pulled.tars).toHaveLength(2);
  });

  it("66: a reference by digest gives that very manifest", async () => {
    const digest = await topDigest(image);
    const pulled = await pull(`${registry.host}/team/app@${digest}`);
    expect(pulled.digest).toBe(digest);
    expect(digestOf(pulled.manifestBytes)).toBe(digest);
  });

  it("66: a blob that does not match its digest is refused", async () => {
    const damaged = await buildImage({ layers: [{ file: "will be damaged" }] });
    await push(damaged.reference, `${registry.host}/damaged:v1`);
    const { manifest } = await pull(`${registry.host}/damaged:v1`);
    const layer = manifest.layers[0];
    if (layer === undefined) throw new Error("the image has no layer");
    const hex = layer.digest.slice(7);
    const blob = join(registry.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    const bytes = await readFile(blob);
    await writeFile(blob, bytes.fill(bytes.readUInt8(40) ^ 1, 40, 41));
    await expect(pull(`${registry.host}/damaged:v1`)).rejects.toMatchObject({ code: "E_DIGEST" });
    await damaged.remove();
  });

  it("65: every transport gives the same image id", async () => {
    const docker = join(scratch, "docker.tar");
    const oci = join(scratch, "oci.tar");
    await run("skopeo", "copy", "-q", image.reference, `docker-archive:${docker}:team/app:v1`);
    await run("skopeo", "copy", "-q", image.reference, `oci-archive:${oci}:v1`);
    await run("skopeo", "copy", "-q", "--format=v2s2", image.reference, `dir:${join(scratch, "schema2")}`);
    await push(`dir:${join(scratch, "schema2")}`, `${registry.host}/team/schema2:v1`);
    await push(image.reference, `${registry.host}/team/again:other`);
    const layout = await pull(image.reference);
    const references = [
      `${registry.host}/team/app:v1`,
      `docker://${registry.host}/team/again:other`,
      `oci-archive:${oci}:v1`,
      `oci-archive:${oci}`,
    ];
    for (const reference of references) {
      const pulled = await pull(reference);
      expect(pulled.manifest.config.digest, reference).toBe(layout.manifest.config.digest);
      expect(pulled.tars, reference).toEqual(layout.tars);
    }
    // Schema 2 has a configuration of its own kind; both of its transports share that.
    const schema2 = await pull(`${registry.host}/team/schema2:v1`);
    const saved = await pull(`docker-archive:${docker}`);
    expect(saved.manifest.config.digest).toBe(schema2.manifest.config.digest);
    expect(saved.tars).toEqual(layout.tars);
    expect(schema2.tars).toEqual(layout.tars);
  });

  it("gives plain and zstd layers as it gives gzipped ones", async () => {
    const plain = join(scratch, "plain");
    const zstd = join(scratch, "zstd");
    await run("skopeo", "copy", "-q", "--dest-decompress", image.reference, `dir:${plain}`);
    await run("skopeo", "copy", "-q", "--dest-compress", "--dest-compress-format=zstd", `dir:${plain}`, `dir:${zstd}`);
    const { tars } = await pull(image.reference);
    for (const [directory, suffix] of [
      [plain, "tar"],
      [zstd, "tar+zstd"],
    ]) {
      await push(`dir:${directory}`, `${registry.host}/packed:${suffix?.replace("+", "-")}`, { unchanged: true });
      const pulled = await pull(`${registry.host}/packed:${suffix?.replace("+", "-")}`);
      const mediaType = `application/vnd.oci.image.layer.v1.${suffix}`;
      expect(pulled.manifest.layers.map((layer) => layer.mediaType)).toEqual([mediaType, mediaType]);
      expect(pulled.tars).toEqual(tars);
    }
  });

  it("chooses the platform from an index, and says what there is when none fits", async () => {
    const arm = await buildImage({ layers: [{ arm: "yes" }], config: { architecture: "arm64" } });
    const index = await buildIndex([image, arm]);
    await push(index.reference, `${registry.host}/many:latest`, { all: true });
    const [amd64, arm64] = await Promise.all([
      pull(`${registry.host}/many`, {}, "linux/amd64"),
      pull(`${registry.host}/many@${await topDigest(index)}`, {}, "linux/arm64"),
    ]);
    expect(amd64.manifest.config.digest).toBe((await pull(image.reference)).manifest.config.digest);
    expect(arm64.config.platform.architecture).toBe("arm64");
    await expect(pull(`${registry.host}/many`, {}, "linux/s390x")).rejects.toMatchObject({ code: "E_PLATFORM" });
    await Promise.all([arm.remove(), index.remove()]);
  });

  it("refuses an image of one other platform", async () => {
    await expect(pull(`${registry.host}/team/app:v1`, {}, "linux/arm64")).rejects.toMatchObject({ code: "E_PLATFORM" });
  });

  it("gives images of buildah in both formats", async () => {
    await writeFile(join(scratch, "Containerfile"), 'FROM scratch\nCOPY file /file\nENTRYPOINT ["/file"]\n');
    await writeFile(join(scratch, "file"), "content");
    for (const format of ["oci", "docker"] as const) {
      const built = await buildContainerfile(scratch, format);
      await push(built.reference, `${registry.host}/buildah:${format}`, { format: format === "oci" ? "oci" : "v2s2" });
      const pulled = await pull(`${registry.host}/buildah:${format}`);
      expect(pulled.config.entrypoint).toEqual(["/file"]);
      expect(pulled.manifest.mediaType).toContain(format);
      await built.remove();
    }
  });

  it("names registry, repository, status and the registry's own words for what is not there", async () => {
    const failure = pull(`${registry.host}/team/absent:v1`);
    await expect(failure).rejects.toMatchObject({ code: "E_REGISTRY" });
    await expect(failure).rejects.toThrow(`${registry.host}, repository team/absent: status 404: MANIFEST_UNKNOWN`);
  });

  it("is not spoken to over plain HTTP unless that is allowed", async () => {
    await expect(pull(`${registry.host}/team/app:v1`, { tlsVerify: true })).rejects.toMatchObject({
      code: "E_REGISTRY",
    });
  });
});

describe("a registry with TLS and a user", () => {
  const user = { name: "somebody", password: "a:secret" };
  let guarded: TestRegistry;
  let authFile: string;

  beforeAll(async () => {
    guarded = await startRegistry({ tls: true, user });
    await push(image.reference, `${guarded.host}/team/app:v1`, { user });
    authFile = join(scratch, "auth.json");
    // skopeo writes the file, as people's tools do.
    await run(
      "skopeo",
      "login",
      "--tls-verify=false",
      "--authfile",
      authFile,
      "-u",
      user.name,
      "-p",
      user.password,
      guarded.host,
    );
  });

  afterAll(() => guarded?.stop());

  it("gives the image to who has its certificate authority and the credentials", async () => {
    const pulled = await pull(`${guarded.host}/team/app:v1`, {
      tlsVerify: true,
      ca: [guarded.ca ?? ""],
      authFiles: [join(scratch, "absent.json"), authFile],
    });
    expect(pulled.digest).toBe(await topDigest(image));
  });

  it("is refused when its certificate is by nobody known, unless it need not be checked", async () => {
    const reference = `${guarded.host}/team/app:v1`;
    await expect(pull(reference, { tlsVerify: true, authFiles: [authFile] })).rejects.toMatchObject({
      code: "E_REGISTRY",
    });
    expect((await pull(reference, { tlsVerify: false, authFiles: [authFile] })).tars).toHaveLength(2);
  });

  it("asks for credentials", async () => {
    await expect(pull(`${guarded.host}/team/app:v1`)).rejects.toMatchObject({ code: "E_AUTH" });
  });

  it("never shows a password that it refused", async () => {
    const wrong = join(scratch, "wrong.json");
    const auth = Buffer.from("somebody:wr0ng-Passw0rd").toString("base64");
    await writeFile(wrong, JSON.stringify({ auths: { [guarded.host]: { auth } } }));
    const error = await pull(`${guarded.host}/team/app:v1`, { authFiles: [wrong] }).catch((caught) => caught);
    expect(error).toMatchObject({ code: "E_AUTH" });
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toMatch(new RegExp(`wr0ng-Passw0rd|${auth}`));
  });
});
