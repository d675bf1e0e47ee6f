import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { buildIndex, push, type TestImage } from "../bed/images.ts";
import { environment, failureOf, makeHost, type Ran, runKeelson, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";

const shelf = openShelf();
const user = { name: "somebody", password: "s3cret-w0rd" };
let scratch: string;
let registry: TestRegistry;
let closed: TestRegistry;
let image: TestImage;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-verbs-"));
  [registry, closed, image] = await Promise.all([
    startRegistry(),
    startRegistry({ tls: true, user }),
    shelf.build({
      layers: [{ "etc/first": "1\n" }, { "etc/second": "2\n" }],
      config: { labels: { a: "b" }, environment: ["PATH=/bin", "X=y"] },
    }),
  ]);
  await push(image.reference, `${registry.host}/team/app:v1`);
  await push(image.reference, `${registry.host}/team/app:v2`, { format: "v2s2" });
  await writeFile(join(scratch, "ca.pem"), closed.ca ?? "");
});

afterAll(() => Promise.all([registry.stop(), closed.stop(), rm(scratch, { recursive: true })]));

async function keelson(...args: readonly string[]): Promise<string> {
  const ran = await runKeelson(args);
  expect(ran.status, ran.stderr).toBe(0);
  return ran.stdout;
}

const tls = "--tls-verify=false";

it.each(["v1", "v2"])("inspect says of %s what skopeo says", async (tag) => {
  const name = `docker://${registry.host}/team/app:${tag}`;
  const { LayersData: layers, ...ours } = JSON.parse(await keelson("inspect", tls, name));
  // skopeo has it from 1.10 on.
  expect(layers.map(({ Digest }: { Digest: string }) => Digest)).toEqual(ours.Layers);
  expect(ours).toEqual(JSON.parse(await run("skopeo", "inspect", tls, name)));
  expect(ours).toMatchObject({ RepoTags: ["v1", "v2"], Labels: { a: "b" }, Env: ["PATH=/bin", "X=y"] });
  expect(JSON.parse(await keelson("inspect", tls, "--no-tags", name)).RepoTags).toEqual([]);
});

it("inspect says what an image asks of its host, of layers that are small or in the store", async () => {
  const contract = await shelf.build({ layers: [{ "etc/large": "x".repeat(100_000) }, etcdLike()] });
  const { Contract: asked, LayersData: layers } = JSON.parse(await keelson("inspect", contract.reference));
  expect(asked).toEqual({
    variables: { overridable: { PORT: "2379", RECEIVER: "World" }, required: [] },
    unitRelations: ["After=network.target"],
    relations: null,
    phase: "normal",
    hostFiles: expect.arrayContaining(["/usr/local/bin/etcdctl", "/etc/etcd/etcd.conf"]),
    health: null,
    privileges: expect.arrayContaining([expect.stringMatching(/root/)]),
  });
  const host = await makeHost();
  await mkdir(host.path("etc/keelson"));
  await writeFile(host.path("etc/keelson/keelson.conf"), `inspect_size = ${layers[1].Size - 1}\n`);
  const before = await host.snapshot();
  const seen = async () => JSON.parse((await host.keelson("inspect", contract.reference)).stdout).Contract;
  expect(await seen()).toBeUndefined();
  expect(await host.snapshot()).toEqual(before);
  await host.answer("pull", contract.reference);
  expect(await seen()).toEqual(asked);
});

it("inspect --raw and --config give the very bytes, of which digest gives the digest", async () => {
  const name = `docker://${registry.host}/team/app:v1`;
  const raw = await keelson("--json", "inspect", "--raw", tls, name);
  expect(raw).toBe(await run("skopeo", "inspect", "--raw", tls, name));
  expect(await keelson("inspect", "--config", tls, name)).toBe(
    await run("skopeo", "inspect", "--config", "--raw", tls, name),
  );
  const file = join(scratch, "manifest.json");
  await writeFile(file, raw);
  const digest = await run("skopeo", "manifest-digest", file);
  expect(await keelson("digest", file)).toBe(digest);
  expect(JSON.parse(await keelson("--json", "digest", file))).toMatchObject({ digest: digest.trim() });
  expect(JSON.parse(await keelson("inspect", image.reference)).Digest).toBe(digest.trim());
  await writeFile(file, "{}");
  expect(failureOf(await runKeelson(["--json", "digest", file])).code).toBe("E_MANIFEST");
});

it("inspect --raw of an index is the index; without it, the image for the platform asked for", async () => {
  const index = await buildIndex([image]);
  await push(index.reference, `${registry.host}/index:v1`, { all: true }).finally(index.remove);
  const name = `docker://${registry.host}/index:v1`;
  expect(await keelson("inspect", "--raw", tls, name)).toBe(await run("skopeo", "inspect", "--raw", tls, name));
  const asked = await keelson("inspect", tls, "--platform", "linux/amd64", name);
  const { LayersData: _, ...ours } = JSON.parse(asked);
  expect(ours).toEqual(JSON.parse(await run("skopeo", "--override-arch=amd64", "inspect", tls, name)));
});

it("tags lists what skopeo lists, one a line or as its document", async () => {
  const name = `docker://${registry.host}/team/app`;
  expect(await keelson("tags", tls, name)).toBe("v1\nv2\n");
  expect(JSON.parse(await keelson("--json", "tags", tls, name))).toEqual(
    JSON.parse(await run("skopeo", "list-tags", tls, name)),
  );
  const absent = await runKeelson(["--json", "tags", tls, `${registry.host}/absent`]);
  expect([absent.status, failureOf(absent).code]).toEqual([1, "E_REGISTRY"]);
  expect((await runKeelson(["tags", tls, `${name}:v1`])).status).toBe(2);
});

it("delete removes an image with every tag it has, and nothing else", async () => {
  await push(image.reference, `${registry.host}/gone:a`);
  await push(image.reference, `${registry.host}/gone:b`);
  await push(image.reference, `${registry.host}/gone:other`, { format: "v2s2" });
  const { digest } = JSON.parse(await keelson("--json", "delete", tls, `${registry.host}/gone:a`));
  expect(digest).toBe(JSON.parse(await keelson("inspect", image.reference)).Digest);
  expect(await keelson("tags", tls, `${registry.host}/gone`)).toBe("other\n");
  const again = await runKeelson(["--json", "delete", tls, `${registry.host}/gone@${digest}`]);
  expect([again.status, failureOf(again).code]).toEqual([1, "E_REGISTRY"]);
  expect((await runKeelson(["delete", image.reference])).status).toBe(2);
});

async function login(password: string, variables: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Ran> {
  const env = { ...environment, SSL_CERT_FILE: join(scratch, "ca.pem"), ...variables, PASSWORD: password };
  const script = 'printf "%s\\n" "$PASSWORD" | "$0" "$@"';
  return runToEnd("sh", ["-c", script, await builtProgram(), "--json", "login", "--password-stdin", ...args], { env });
}

it("login writes what skopeo and keelson then use, and logout takes it away again", async () => {
  const file = join(scratch, "run/containers/auth.json");
  const variables = { XDG_RUNTIME_DIR: join(scratch, "run") };
  const ran = await login(user.password, variables, "-u", user.name, closed.host);
  expect(ran.status, ran.stderr).toBe(0);
  expect(JSON.parse(ran.stdout)).toEqual({ registry: closed.host, user: user.name, authFile: file });
  expect(`${ran.stdout}${ran.stderr}`).not.toContain(user.password);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await run("skopeo", "login", "--get-login", "--authfile", file, closed.host)).toBe(`${user.name}\n`);
  const target = `docker://${closed.host}/app:v1`;
  await run("skopeo", "copy", "-q", "--authfile", file, "--dest-tls-verify=false", image.reference, target);
  const options = { environment: { ...variables, SSL_CERT_FILE: join(scratch, "ca.pem") } };
  expect((await runKeelson(["tags", `${closed.host}/app`], options)).stdout).toBe("v1\n");

  expect((await runKeelson(["logout", closed.host], options)).status).toBe(0);
  expect((await runKeelson(["tags", `${closed.host}/app`], options)).status).toBe(1);
  expect((await runKeelson(["logout", closed.host], options)).status).toBe(3);
});

it("login writes nothing before the registry has accepted the password", async () => {
  const file = join(scratch, "refused.json");
  const ran = await login("wr0ng-w0rd", {}, "-u", user.name, "--authfile", file, closed.host);
  expect([ran.status, failureOf(ran).code]).toEqual([1, "E_AUTH"]);
  expect(`${ran.stdout}${ran.stderr}`).not.toContain("wr0ng");
  await expect(stat(file)).rejects.toThrow();
  expect((await login("", {}, "-u", user.name, "--authfile", file, closed.host)).status).toBe(2);
  expect((await login(user.password, {}, "--authfile", file, closed.host)).status).toBe(2);
});

it("login leaves what else is in the file, reads what skopeo wrote, and keeps a link a link", async () => {
  const file = join(scratch, "others.json");
  const link = join(scratch, "link.json");
  await symlink(file, link);
  const credentials = ["-u", user.name, "-p", user.password, "--tls-verify=false"];
  await run("skopeo", "login", ...credentials, "--authfile", file, closed.host);
  const others = JSON.parse(await readFile(file, "utf8"));
  others.credHelpers = { "other.example": "helper" };
  others.auths["other.example:1"] = { auth: "YTpi" };
  await writeFile(file, JSON.stringify(others));
  const ran = await login(user.password, {}, "-u", user.name, "--authfile", link, `${closed.host}/team`);
  expect(ran.status, ran.stderr).toBe(0);
  const after = JSON.parse(await readFile(file, "utf8"));
  expect(after.auths[`${closed.host}/team`].auth).toBe(others.auths[closed.host].auth);
  delete after.auths[`${closed.host}/team`];
  expect(after).toEqual(others);
  expect((await stat(link)).ino).toBe((await stat(file)).ino);
  await run("skopeo", "logout", "--authfile", file, closed.host);
  expect((await runKeelson(["logout", "--authfile", link, closed.host])).status).toBe(3);
  await writeFile(file, "{ 'secret");
  const damaged = await login(user.password, {}, "-u", user.name, "--authfile", file, closed.host);
  expect([damaged.status, failureOf(damaged).code]).toEqual([1, "E_AUTH"]);
  expect(await readFile(file, "utf8")).toBe("{ 'secret");
});
