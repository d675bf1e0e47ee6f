import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage } from "../bed/images.ts";
import { makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { differingPaths } from "../bed/snapshot.ts";

const shelf = openShelf();
let registry: TestRegistry;
let etcd: TestImage;

beforeAll(async () => {
  registry = await startRegistry();
  etcd = await shelf.build({ layers: [etcdLike()] });
  await push(etcd.reference, `${registry.host}/org/etcd:v3`);
});

afterAll(() => registry.stop());

it("28: --dry-run changes no file, and its plan is what install then does", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  const reference = `${registry.host}/org/etcd:v3`;
  const planned = await host.plan("install", "--tls-verify=false", "--name", "foo", reference);
  expect(await host.snapshot()).toEqual(before);

  const done = await host.answer("install", "--tls-verify=false", "--name", "foo", reference);
  expect(done.changes).toEqual(planned.changes);
  const changed = differingPaths(before, await host.snapshot()).filter((path) => !path.startsWith("/var/lib/keelson"));
  const named = planned.changes.flatMap(({ kind, path }) =>
    ["file", "symlink", "directory"].includes(kind) ? [path] : [],
  );
  const links = ["/etc/systemd/system/multi-user.target.wants"];
  expect(changed).toEqual([...named, ...links, `${links[0]}/foo.service`].sort());
});

it("28: uninstall --dry-run changes no file, and its plan is what uninstall then does", async () => {
  const host = await makeHost();
  await host.answer("install", "--tls-verify=false", "--name", "foo", etcd.reference);
  const before = await host.snapshot();
  const planned = await host.plan("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
  expect(planned).toMatchObject(await host.answer("uninstall", "foo"));
});

it("28: --dry-run fails for what install would fail for", async () => {
  const host = await makeHost();
  await mkdir(host.path("/usr/local/bin"), { recursive: true });
  await writeFile(host.path("/usr/local/bin/fooctl"), "mine\n");
  expect((await host.refused(4, "install", "--dry-run", "--name", "foo", etcd.reference)).code).toBe("E_FILE_EXISTS");
});
