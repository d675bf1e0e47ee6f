import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildImage, push, type TestImage, topDigest } from "../bed/images.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { makeStorage, type TestStorage } from "../bed/storage.ts";
import { pull } from "./pull.ts";

let scratch: string;
let storage: TestStorage;
let registry: TestRegistry;
let image: TestImage;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-podman-"));
  [storage, registry, image] = await Promise.all([
    makeStorage(),
    startRegistry(),
    buildImage({ layers: [{ "etc/first": "1\n" }, { "etc/second": "2\n", "etc/.wh.first": "" }] }),
  ]);
});

afterAll(async () => {
  await Promise.all([storage.remove(), registry.stop(), image.remove()]);
  await rm(scratch, { recursive: true });
});

/** podman, where the store is that of this test. */
const podman = (...args: readonly string[]): Promise<string> =>
  run("podman", "--root", storage.root, "--runroot", join(scratch, "run"), "--storage-driver", "overlay", ...args);

it.each(["oci", "v2s2"] as const)(
  "what podman has pulled as %s is had from its store under its digest",
  async (form) => {
    const name = `${registry.host}/team/app:${form}`;
    await push(image.reference, name, { format: form });
    await podman("pull", "-q", "--tls-verify=false", name);
    const [ours, theirs] = [await pull(`${storage.prefix}${name}`), await pull(`docker://${name}`)];
    expect([ours.digest, ours.tars]).toEqual([theirs.digest, theirs.tars]);
    if (form === "oci") expect(ours.digest).toBe(await topDigest(image));
  },
);

it("what podman has built on it is had by the name and the id that podman has it under", async () => {
  const base = `${registry.host}/team/app:base`;
  await push(image.reference, base);
  await podman("pull", "-q", "--tls-verify=false", base);
  await writeFile(join(scratch, "Containerfile"), `FROM ${base}\nCOPY file /file\nLABEL built=here\n`);
  await writeFile(join(scratch, "file"), "content");
  await podman("build", "-q", "--pull=never", "-t", "built:v1", scratch);
  const told = await podman("image", "inspect", "--format", "{{.Digest}} {{.Id}}", "localhost/built:v1");
  const [digest, id = ""] = told.trim().split(" ");
  for (const name of ["localhost/built:v1", `@${id}`]) {
    const found = await pull(`${storage.prefix}${name}`);
    expect([found.digest, found.manifest.config.digest, found.tars]).toEqual([
      digest,
      `sha256:${id}`,
      found.config.diffIds,
    ]);
  }
});
