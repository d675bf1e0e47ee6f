import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage } from "../bed/images.ts";
import { type Answer, type Host, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";

const shelf = openShelf();
let registry: TestRegistry;
let etcd: TestImage;

const labels = { "org.opencontainers.image.title": "etcd", maintainer: "somebody" };

interface ImageRow {
  readonly reference: string | null;
  readonly id: string;
}

beforeAll(async () => {
  registry = await startRegistry();
  etcd = await shelf.build({ layers: [etcdLike(), { "etc/second": "2\n" }] });
  for (const name of ["a/etcd:v1", "b/etcd:v1"]) await push(etcd.reference, `${registry.host}/${name}`);
});

afterAll(() => registry.stop());

const fetch = (host: Host, verb: "pull" | "install", ...args: readonly string[]): Promise<Answer> =>
  host.answer(verb, "--tls-verify=false", ...args);

it("70: images marks what a container uses and hides what has lost its name, unless -a is given", async () => {
  const host = await makeHost();
  const reference = `${registry.host}/moving:latest`;
  await push(etcd.reference, reference);
  await fetch(host, "install", "--name", "foo", reference);
  const newer = await shelf.build({ layers: [{ "etc/new": "1\n" }] });
  await push(newer.reference, reference);
  await fetch(host, "pull", reference);

  const lines = (await host.keelson("images")).stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^ +REFERENCE +IMAGE ID +CREATED +SIZE$/);
  expect(lines[1]).toContain(reference);
  expect(lines[1]).not.toMatch(/^>/);
  const all = (await host.keelson("images", "-a")).stdout.trimEnd().split("\n");
  expect(all.find((line) => line.startsWith(">"))).toContain("<none>");
  expect(all).toHaveLength(3);
});

it("70: of several filters all have to hold", async () => {
  const host = await makeHost();
  await fetch(host, "pull", `${registry.host}/a/etcd:v1`);
  await fetch(host, "pull", `${registry.host}/b/etcd:v1`);
  await fetch(host, "install", "--name", "foo", `${registry.host}/a/etcd:v1`);
  const id = (await host.answer<readonly ImageRow[]>("images"))[0]?.id ?? "";

  const found = async (...filters: readonly string[]): Promise<readonly (string | null)[]> => {
    const args = filters.flatMap((filter) => ["-f", filter]);
    return (await host.answer<readonly ImageRow[]>("images", ...args)).map(({ reference }) => reference);
  };
  expect(await found("reference=/a/")).toEqual([`${registry.host}/a/etcd:v1`]);
  expect(await found("reference=etcd", `id=${id}`)).toHaveLength(2);
  expect(await found("reference=/b/", `id=${id}`)).toEqual([`${registry.host}/b/etcd:v1`]);
  expect(await found("reference=/a/", "id=sha256:0000")).toEqual([]);
  expect((await host.refused(2, "images", "-f", "colour=red")).code).toBe("E_USAGE");
});

it("71: info of an image gives its labels, the variables with a default and those that must be set", async () => {
  const host = await makeHost();
  const template = "TOKEN=$TOKEN\n";
  const image = await shelf.build({
    layers: [etcdLike({ "exports/hostfs/etc/etcd/etcd.conf": template })],
    config: { labels },
  });
  const reference = `${registry.host}/labelled:v1`;
  await push(image.reference, reference);
  await fetch(host, "pull", reference);

  expect(await host.answer("info", reference)).toMatchObject({
    kind: "image",
    labels,
    contract: true,
    variables: { overridable: { PORT: "2379", RECEIVER: "World" }, required: ["TOKEN"] },
  });
  const { stdout } = await host.keelson("info", reference);
  expect(stdout).toMatch(/^maintainer: somebody$/m);
  expect(stdout).toMatch(/must be set.*\n +TOKEN$/m);
  expect(stdout).toMatch(/^ +PORT: 2379$/m);
});

it("71: info works for an image without manifest.json, and for one without /exports", async () => {
  const host = await makeHost();
  const bare = await shelf.build({ layers: [{ "exports/service.template": "[Service]\nExecStart=/bin/$WORD\n" }] });
  const none = await shelf.build({ layers: [{ "etc/x": "" }] });
  await push(bare.reference, `${registry.host}/bare:v1`);
  await push(none.reference, `${registry.host}/none:v1`);
  for (const name of ["bare", "none"]) await fetch(host, "pull", `${registry.host}/${name}:v1`);

  expect(await host.answer("info", `${registry.host}/bare:v1`)).toMatchObject({
    variables: { overridable: {}, required: ["WORD"] },
  });
  expect(await host.answer("info", `${registry.host}/none:v1`)).toMatchObject({
    contract: false,
    labels: {},
    variables: { overridable: {}, required: [] },
  });
});

it("info finds an image by the beginning of its id or digest", async () => {
  const host = await makeHost();
  const { id, digest } = await fetch(host, "pull", `${registry.host}/a/etcd:v1`);

  for (const name of [id, id.slice(7, 19), digest.slice(7, 19), digest]) {
    expect(await host.answer("info", name)).toMatchObject({ id, digest });
  }
  expect((await host.refused(3, "info", "feedfacefeed")).code).toBe("E_NOT_FOUND");
});

it.each<[string, (deployment: string) => Promise<void>]>([
  ["whose record is no JSON", (deployment) => writeFile(join(deployment, "deployment.json"), "{")],
  ["without a record", (deployment) => rm(join(deployment, "deployment.json"))],
  ["that is gone", (deployment) => rm(deployment, { recursive: true })],
  ["of a later keelson", (deployment) => writeFile(join(deployment, "deployment.json"), '{"schema":99}')],
])("80: a deployment %s is listed as broken and breaks nothing else", async (_, damage) => {
  const host = await makeHost();
  await host.answer("install", "--name", "bad", etcd.reference);
  await host.answer("install", "--name", "good", etcd.reference);
  await damage(host.path("/var/lib/keelson/deployments/bad/1"));

  const rows = await host.answer<readonly { name: string; state: string; problem: string | null }[]>("list");
  expect(rows.map(({ name, state }) => [name, state])).toEqual([
    ["bad", "broken"],
    ["good", expect.not.stringMatching(/broken/)],
  ]);
  expect(rows[0]?.problem).toEqual(expect.any(String));
  expect((await host.keelson("list")).stdout).toMatch(/^bad .*broken/m);
  expect(await host.answer("info", "good")).toMatchObject({ name: "good" });
  await host.answer("install", "--name", "third", etcd.reference);
  await host.answer("uninstall", "good");
});

it("list and status show what sockets listen on, where there are any", async () => {
  const host = await makeHost();
  const tls = "--tls-verify=false";
  await host.answer("install", tls, "--name", "plain", etcd.reference);
  expect((await host.keelson("list")).stdout).not.toContain("SOCKETS");
  const addresses = ["127.0.0.1:7001", "/run/web.sock"];
  const listen = addresses.flatMap((address) => ["--listen", address]);
  await host.answer("install", tls, "--name", "web", ...listen, etcd.reference);
  const sockets = [
    { unit: "web.socket", state: "unknown", listen: addresses.map((address) => ({ type: "Stream", address })) },
  ];
  const rows = [
    { name: "plain", sockets: [] },
    { name: "web", sockets },
  ];
  expect(await host.answer("list")).toMatchObject(rows);
  expect(await host.answer("status")).toMatchObject({ containers: rows });
  const { stdout } = await host.keelson("list");
  expect(stdout).toMatch(/^NAME .* SOCKETS\nplain .* -\nweb .* 127\.0\.0\.1:7001 \/run\/web\.sock \(unknown\)\n$/);
  const status = await host.keelson("status");
  expect(status.stdout).toContain("web: web.socket is unknown: Stream 127.0.0.1:7001, Stream /run/web.sock\n");
});
