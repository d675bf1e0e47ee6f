import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { holdRegistry } from "../bed/held-registry.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { type TestImage, topDigest } from "../bed/images.ts";
import { environment, failureOf, type Ran, runKeelson, runToEnd, startKeelson } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";

const shelf = openShelf();
const user = { name: "somebody", password: "s3cret-w0rd" };
const tls = "--tls-verify=false";
let scratch: string;
let registry: TestRegistry;
let closed: TestRegistry;
let image: TestImage;
let digest: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-push-"));
  [registry, closed, image] = await Promise.all([
    startRegistry(),
    startRegistry({ user }),
    // Larger than one part of an upload.
    shelf.build({ layers: [{ large: randomBytes(20_000_000).toString("latin1") }] }),
  ]);
  digest = await topDigest(image);
});

afterAll(() => Promise.all([registry.stop(), closed.stop(), rm(scratch, { recursive: true })]));

const rawDigest = async (reference: string): Promise<string> => {
  const file = join(scratch, "raw");
  await writeFile(file, await run("skopeo", "inspect", "--raw", tls, `docker://${reference}`));
  return (await run("skopeo", "manifest-digest", file)).trim();
};

describe("push", () => {
  it("gives an image the name it has where none is said, and says the digest", async () => {
    const bundle = join(scratch, "bundle.tar");
    await runKeelson(["copy", image.reference, `oci-archive:${bundle}:quay.example/team/etcd:v3`]);
    for (const [from, to, name] of [
      [image.reference, registry.host, "layout:latest"],
      [`oci-archive:${bundle}`, `${registry.host}/mine/`, "mine/bundle:latest"],
      [`oci-archive:${bundle}:quay.example/team/etcd:v3`, `docker://${registry.host}`, "team/etcd:v3"],
      [image.reference, `${registry.host}/team/other:v4`, "team/other:v4"],
    ] as const) {
      const { stdout, stderr } = await runKeelson(["push", tls, from, to]);
      expect(stdout, stderr).toBe(`${registry.host}/${name} ${digest}\n`);
      expect(await rawDigest(`${registry.host}/${name}`)).toBe(digest);
    }
  });

  it("takes credentials, and refuses an image that is in a registry", async () => {
    const target = `${closed.host}/app:v1`;
    const said = async (...args: readonly string[]): Promise<readonly [number, string]> => {
      const ran = await runKeelson(["--json", "push", tls, ...args]);
      expect(`${ran.stdout}${ran.stderr}`).not.toContain(user.password);
      return [ran.status, ran.status === 0 ? JSON.parse(ran.stdout).digest : failureOf(ran).code];
    };
    expect(await said(image.reference, target)).toEqual([1, "E_AUTH"]);
    expect(await said(`--creds=:${user.password}`, image.reference, target)).toEqual([2, "E_USAGE"]);
    expect(await said(`--creds=${user.name}:${user.password}`, image.reference, target)).toEqual([0, digest]);
    expect(await said(target, `${registry.host}/app:v1`)).toEqual([2, "E_REFERENCE"]);
  });
});

/** What the registry has of uploads that are not finished; of a cancelled one it forgets an empty directory. */
async function uploads(): Promise<readonly string[]> {
  const entries = await readdir(registry.storage, { recursive: true });
  return entries.filter((entry) => /\/_uploads\/.*\/(?:data|startedat)$/.test(entry));
}

describe("an interruption ends with 130 and leaves nothing", () => {
  async function interrupted(held: Promise<void>, ...args: readonly string[]): Promise<Ran> {
    const running = await startKeelson(args);
    await held;
    running.child.kill("SIGINT");
    return running.ended;
  }

  it("of an upload, which is cancelled at the registry", async () => {
    let parts = 0;
    const { host, held } = await holdRegistry(registry.host, (method) => method === "PATCH" && ++parts === 2);
    const ran = await interrupted(held, "--json", "copy", tls, image.reference, `${host}/interrupted:v1`);
    expect([ran.status, failureOf(ran).code]).toEqual([130, "E_INTERRUPTED"]);
    expect(parts).toBe(2);
    expect(await uploads()).toEqual([]);
    expect((await runKeelson(["tags", tls, `${registry.host}/interrupted`])).stdout).toBe("");
  });

  it.each(["dir:a/b", "oci:a/b", "oci-archive:a"])("of a copy to %s", async (target) => {
    await runKeelson(["copy", tls, image.reference, `${registry.host}/there:v1`]);
    const { host, held } = await holdRegistry(registry.host, (_, path) => path.includes("/blobs/"));
    const parent = await mkdtemp(join(scratch, "parent-"));
    const to = target.replace(":", `:${parent}/`);
    const ran = await interrupted(held, "--json", "copy", tls, `${host}/there:v1`, to);
    expect([ran.status, failureOf(ran).code]).toEqual([130, "E_INTERRUPTED"]);
    expect(await readdir(parent)).toEqual([]);
  });

  it("nor does a failure leave an upload", async () => {
    const damaged = join(scratch, "damaged");
    await run("cp", "-a", image.directory, damaged);
    const { layers } = JSON.parse(await run("skopeo", "inspect", "--raw", image.reference));
    await writeFile(join(damaged, "blobs/sha256", layers[0].digest.slice(7)), Buffer.alloc(layers[0].size));
    const ran = await runKeelson(["--json", "copy", tls, `oci:${damaged}`, `${registry.host}/damaged:v1`]);
    expect([ran.status, failureOf(ran).code]).toEqual([1, "E_DIGEST"]);
    expect(await uploads()).toEqual([]);
  });
});

it("registries.conf counts for what is written to a registry, listed, deleted and logged in to, but for its mirrors", async () => {
  const home = join(scratch, "home");
  await mkdir(join(home, ".config/containers"), { recursive: true });
  const rules = `
[[registry]]
prefix = "example.test/team"
location = "${registry.host}/moved"
insecure = true
[[registry.mirror]]
location = "127.0.0.1:1/mirror"
[[registry]]
prefix = "blocked.test"
blocked = true
[[registry]]
location = "${registry.host}"
insecure = true
`;
  await writeFile(join(home, ".config/containers/registries.conf"), rules);
  const keelson = (...args: readonly string[]): Promise<Ran> => runKeelson(args, { environment: { HOME: home } });
  const pushed = await keelson("copy", image.reference, "example.test/team/app:v1");
  expect(pushed.stdout, pushed.stderr).toBe(`example.test/team/app:v1 ${digest}\n`);
  expect(await rawDigest(`${registry.host}/moved/app:v1`)).toBe(digest);
  expect((await keelson("tags", "example.test/team/app")).stdout).toBe("v1\n");
  expect((await keelson("delete", "example.test/team/app:v1")).status).toBe(0);
  expect((await runKeelson(["tags", tls, `${registry.host}/moved/app`])).stdout).toBe("");
  for (const args of [
    ["copy", image.reference, "blocked.test/app:v1"],
    ["tags", "blocked.test/app"],
    ["delete", "blocked.test/app:v1"],
  ]) {
    expect(failureOf(await keelson("--json", ...args)).code).toBe("E_BLOCKED");
  }
  const login = async (to: string): Promise<Ran> => {
    const script = 'echo word | "$0" --json login --password-stdin -u somebody "$1"';
    const env = { ...environment, HOME: home, XDG_RUNTIME_DIR: join(scratch, "run") };
    return runToEnd("sh", ["-c", script, await builtProgram(), to], { env });
  };
  expect((await login(`${registry.host}/team`)).status, "insecure by its rule").toBe(0);
  expect(failureOf(await login("blocked.test")).code).toBe("E_BLOCKED");
});
