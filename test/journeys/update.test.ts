import { mkdir, rm, writeFile } from "node:fs/promises";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { configTemplate, contractManifest, etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { buildIndex, push, type TestImage } from "../bed/images.ts";
import { type Answer, makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { differingPaths } from "../bed/snapshot.ts";
import { deployments, insecure, openTag } from "../bed/tag.ts";
import { watchRegistry } from "../bed/watched-registry.ts";

const shelf = openShelf();
const bed = openTag();
let v1: TestImage;
let v2: TestImage;

beforeAll(async () => {
  v1 = await shelf.build({ layers: [etcdLike(), { "etc/old": "1\n", "etc/both": "1\n" }] });
  const manifest = { ...contractManifest, defaultValues: { PORT: "4001", RECEIVER: "Everybody" } };
  v2 = await shelf.build({
    layers: [etcdLike({ "exports/manifest.json": JSON.stringify(manifest) }), { "etc/both": "2\n" }],
  });
});
beforeEach(() => bed.publish(v1));

const etcdWith = (files: Parameters<typeof etcdLike>[0]): Promise<TestImage> =>
  shelf.build({ layers: [etcdLike(files)] });

it.each([
  ["an image", false],
  ["an index, whose choice is in the store", true],
])(
  "39: with the same image and values update says so, changes nothing, and asks for one manifest: %s",
  async (_, many) => {
    const [registry, host] = [await watchRegistry(bed.registry.host), await makeHost()];
    const [tag, upstream] = [registry.host, bed.registry.host].map((each) => `${each}/once:latest`) as [string, string];
    if (many) {
      const arm = await shelf.build({ layers: [{ arm: "yes" }], config: { architecture: "arm64" } });
      const index = await buildIndex([v1, arm]);
      await push(index.reference, upstream, { all: true });
      await index.remove();
    } else {
      await bed.publish(v1, upstream);
    }
    await host.answer("install", insecure, "--name", "foo", "--set", "PORT=1", tag);
    const before = await host.snapshot();
    const asked = (): readonly string[] => {
      const all = registry.asked().map(({ what }) => what);
      registry.forget();
      return all;
    };
    const chosen = many ? [expect.stringMatching(/^manifests\/sha256:/)] : [];
    const blob = expect.stringMatching(/^blobs\/sha256:/);
    expect(asked()).toEqual(["manifests/latest", ...chosen, blob, blob, blob]);

    const { status, stdout } = await host.keelson("update", insecure, "foo", "--set", "PORT=1");
    expect([status, stdout, asked()]).toEqual([0, "foo: Latest version already installed.\n", ["manifests/latest"]]);
    const nothing = { name: "foo", updated: false, changes: [] };
    expect([await host.answer("update", insecure, "foo"), asked()]).toEqual([nothing, ["manifests/latest"]]);
    expect([await host.answer("plan", "update", insecure, "foo"), asked()]).toEqual([nothing, ["manifests/latest"]]);
    expect([await host.answer("update", insecure, "--all"), asked()]).toEqual([[nothing], ["manifests/latest"]]);
    expect(await host.snapshot()).toEqual(before);
  },
);

it("40: --set makes a new generation, with the values from before and the UUID", async () => {
  const { host, update, environment, generation } = await bed.installed("--set", "RECEIVER=me");
  const { UUID } = environment();
  const answer = await update("--set", "PORT=8082");

  expect(answer).toMatchObject({ updated: true, generation: 2, set: { RECEIVER: "me", PORT: "8082" } });
  expect(await generation()).toBe(2);
  expect(environment()).toMatchObject({ PORT: "8082", RECEIVER: "me", UUID });
  expect(host.read("/etc/foo/etcd.conf")).toBe("PORT=8082\nNAME=foo\n");
  expect(host.has(`${deployments}/1/rootfs/usr/bin/etcd`)).toBe(true);
});

it("43, 47: an image with a missing variable, bad JSON or a bad unit, or none, leaves every byte as it was", async () => {
  const { host } = await bed.installed();
  const bad: Readonly<Record<string, Parameters<typeof etcdLike>[0]>> = {
    E_VALUE_MISSING: { "exports/config.json.template": configTemplate(["X=$NEW"]) },
    E_CONFIG: { "exports/config.json.template": `${configTemplate()}}` },
    E_UNIT: { "exports/service.template": serviceTemplate.replace("[Service]", "x") },
  };
  for (const [code, files] of Object.entries(bad)) {
    await bed.publish(await etcdWith({ "exports/hostfs/etc/new": "new\n", ...files }));
    expect((await host.refused(1, "update", insecure, "--allow-widen", "foo")).code).toBe(code);
  }
  const rebase = ["update", insecure, "foo", "--rebase"];
  const image = await etcdWith({ "exports/service.template": serviceTemplate.replace("$NAME", "$NEW") });
  expect((await host.refused(1, ...rebase, image.reference)).code).toBe("E_VALUE_MISSING");
  expect((await host.refused(1, ...rebase, `${bed.registry.host}/nothing:v1`)).code).toBe("E_REGISTRY");
});

it("45: a file that the new image has no more is gone, after a second update too; --dry-run foretells it", async () => {
  const { host, update } = await bed.installed();
  const rootfs = `${deployments}/current/rootfs/etc`;
  expect(host.read(`${rootfs}/old`)).toBe("1\n");
  await bed.publish(v2);
  const before = await host.snapshot();
  const dry = await host.keelson("--json", "update", insecure, "--dry-run", "foo");
  expect([dry.status, await host.snapshot()]).toEqual([10, before]);
  const foretold: Answer = JSON.parse(dry.stdout);
  expect(foretold.changes.map(({ path, kind }) => path ?? kind)).toContain("/etc/foo/etcd.conf");
  expect((await update()).changes).toEqual(foretold.changes);
  expect([host.has(`${rootfs}/old`), host.read(`${rootfs}/both`)]).toEqual([false, "2\n"]);
  await update("--set", "PORT=1");
  expect([host.has(`${rootfs}/old`), host.read(`${rootfs}/both`)]).toEqual([false, "2\n"]);
});

it("46: defaults are the new image's, what was given with --set stays until --unset, a lost default is lost", async () => {
  const { host, update, environment } = await bed.installed("--set", "RECEIVER=me");
  expect(environment()).toMatchObject({ PORT: "2379", RECEIVER: "me" });
  await bed.publish(v2);
  await update();
  expect(environment()).toMatchObject({ PORT: "4001", RECEIVER: "me" });
  expect((await update("--unset", "RECEIVER")).set).toEqual({});
  expect(environment()).toMatchObject({ PORT: "4001", RECEIVER: "Everybody" });

  const less = { ...contractManifest, defaultValues: { PORT: "1" } };
  const config = configTemplate().replace(`"RECEIVER=\${RECEIVER}",`, "");
  const files = { "exports/manifest.json": JSON.stringify(less), "exports/config.json.template": config };
  await bed.publish(await etcdWith(files));
  const { values } = await update();
  expect(values).toMatchObject({ PORT: "1" });
  expect(values).not.toHaveProperty("RECEIVER");
  expect((await host.refused(2, "update", insecure, "foo", "--set", "NAME=x")).code).toBe("E_SET");
  expect((await host.refused(2, "update", insecure, "foo", "--unset", "DESTDIR")).code).toBe("E_SET");
});

it("47: --rebase goes over to another image for good, values kept; to the same it does nothing", async () => {
  const { host, update, environment } = await bed.installed("--set", "RECEIVER=me");
  const other = `${bed.registry.host}/other:v2`;
  await bed.publish(v2, other);
  expect(await update("--rebase", `docker://${other}`)).toMatchObject({
    updated: true,
    image: other,
    digest: await registryDigest(other),
  });
  expect(environment()).toMatchObject({ PORT: "4001", RECEIVER: "me" });
  const before = await host.snapshot();
  expect(await update("--rebase", other)).toEqual({ name: "foo", updated: false, changes: [] });
  expect(await update()).toMatchObject({ updated: false });
  expect(await host.snapshot()).toEqual(before);
});

it("48: a newer image behind the tag is noticed; --offline does not ask", async () => {
  const { host, update } = await bed.installed();
  await bed.publish(v2);
  expect(await update("--offline")).toMatchObject({ updated: false });
  expect(await update("--offline", "--set", "PORT=9")).toMatchObject({ updated: true });
  expect(host.has(`${deployments}/current/rootfs/etc/old`)).toBe(true);
  expect(await update()).toMatchObject({ updated: true, digest: await registryDigest(bed.tag) });
  expect(host.has(`${deployments}/current/rootfs/etc/old`)).toBe(false);
  const missing = ["update", "foo", "--offline", "--rebase", `${bed.registry.host}/nothing:v1`];
  expect((await host.refused(3, ...missing)).code).toBe("E_NOT_FOUND");
});

it("53: --all goes on after a failure, names it, and ends with 1; --dry-run --all ends with 10", async () => {
  const { host } = await bed.installed();
  const tagOf = (name: string): string => `${bed.registry.host}/${name}:latest`;
  for (const name of ["bad", "good"]) {
    await bed.publish(v1, tagOf(name));
    await host.answer("install", insecure, tagOf(name));
  }
  expect((await host.keelson("update", insecure, "--all", "--dry-run")).status).toBe(0);
  await bed.publish(v2, tagOf("good"));
  expect((await host.keelson("update", insecure, "--all", "--dry-run")).status).toBe(10);
  await bed.publish(await etcdWith({ "exports/manifest.json": "{" }), tagOf("bad"));
  expect((await host.keelson("update", insecure, "--all", "--dry-run")).status).toBe(1);
  const { status, stdout, stderr } = await host.keelson("--json", "update", insecure, "--all");
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^warning: bad: .*manifest\.json.*\(E_CONTRACT\)/m)]);
  expect(JSON.parse(stdout)).toEqual([
    { name: "bad", error: expect.objectContaining({ code: "E_CONTRACT" }) },
    { name: "foo", updated: false, changes: [] },
    expect.objectContaining({ name: "good", generation: 2, updated: true }),
  ]);
  for (const name of ["bad", "good"]) await host.answer("uninstall", name);
});

it("53: --all goes with neither a name nor what is meant for one container", async () => {
  const host = await makeHost();
  for (const args of [["foo"], ["--rebase", "x"], ["--set", "PORT=1"], ["--unset", "PORT"]]) {
    expect((await host.keelson("update", "--all", ...args)).stderr).toContain("E_USAGE");
  }
});

it("34, 43, 44: an update that fails after staging leaves the root as it was, but for the failed generation", async () => {
  const { host, update, generation } = await bed.installed();
  await mkdir(host.path("/usr/lib/systemd/system"), { recursive: true });
  const also = host.path("/usr/lib/systemd/system/other.service");
  await writeFile(also, "[Install]\nno setting at all\n");
  const unit = serviceTemplate.replace("WantedBy", "Also=other.service\nRequiredBy=network.target\nWantedBy");
  await bed.publish(await etcdWith({ "exports/service.template": unit, "exports/hostfs/etc/new": "" }));
  const before = await host.snapshot();
  expect((await host.keelson("update", insecure, "--allow-widen", "foo")).status).toBe(1);

  const outside = (path: string): boolean => !/^\/var\/lib\/keelson\/(?:repo|images|deployments\/foo\/2)\b/.test(path);
  expect(differingPaths(before, await host.snapshot()).filter(outside)).toEqual([]);
  expect(await generation()).toBe(1);
  expect(await host.answer("history", "foo")).toMatchObject([
    { generation: 1, current: true },
    { generation: 2, outcome: "failed", reason: expect.stringContaining("other.service") },
  ]);
  await rm(host.path("/usr/lib"), { recursive: true });
  await update("--set", "PORT=1", "--rebase", v2.reference);
  expect(await generation()).toBe(3);
});

it("43: an update that fails while it stages leaves every byte as it was", async () => {
  const { host } = await bed.installed();
  await bed.publish(v2);
  await run("mount", "--bind", host.path(deployments), host.path(deployments));
  try {
    expect((await host.refused(1, "update", insecure, "--allow-widen", "foo")).code).toBe("E_CROSS_DEVICE");
  } finally {
    await run("umount", host.path(deployments));
  }
});

async function registryDigest(reference: string): Promise<string> {
  return (await run("skopeo", "inspect", "--format", "{{.Digest}}", insecure, `docker://${reference}`)).trim();
}
