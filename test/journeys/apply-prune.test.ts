import { rm } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { type Applied, actions, place, writeStack } from "../bed/applied.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { makeHost } from "../bed/journey.ts";
import { serviceLayer } from "../bed/services.ts";

const shelf = openShelf();
const image = (manifest: object): Promise<TestImage> => shelf.build({ layers: [serviceLayer(manifest)] });

let etcd: TestImage;
let flanneld: TestImage;
beforeAll(async () => {
  [etcd, flanneld] = await Promise.all([image({ provides: ["kv/etcd"] }), image({ requires: ["kv/etcd"] })]);
});
const sections = (images: Readonly<Record<string, TestImage>>): string =>
  Object.entries(images)
    .map(([name, { reference }]) => `[${name}]\nimage = ${reference}\n`)
    .join("\n");

describe("what is no longer in a stack", () => {
  it("stays without --prune, and with it goes with what only it had, and nothing of others", async () => {
    const host = await makeHost();
    await host.answer("install", "--name", "alone", etcd.reference);
    await writeStack(host, sections({ box: flanneld, net: flanneld, "store-v3.1": etcd }));
    await host.answer("apply");
    const other = "/etc/keelson/stack.d/other.conf";
    await writeStack(host, `[other]\nimage = ${etcd.reference}\n`, other);
    await host.answer("apply", host.path(other));
    await writeStack(host, `[net]\nimage = ${flanneld.reference}\n[store-v3.1]\nimage = ${etcd.reference}\n`);
    const kept = await host.keelson("apply", host.path(place));
    expect([kept.status, kept.stderr]).toEqual([
      0,
      expect.stringContaining("box is no longer in the stack; --prune uninstalls it\n"),
    ]);
    expect(host.has("etc/systemd/system/box.service")).toBe(true);
    const done = await host.answer<Applied>("apply", "--prune", host.path(place));
    expect(actions(done)).toEqual(["box uninstalled", "net unchanged", "store-v3.1 unchanged"]);
    const names = async (): Promise<readonly string[]> =>
      (await host.answer<readonly { readonly name: string }[]>("list")).map(({ name }) => name);
    expect(await names()).toEqual(["alone", "net", "other", "store-v3.1"]);
    await writeStack(host, "");
    // Another stack of the same directory counts when that is applied.
    expect(actions(await host.answer<Applied>("apply", "--prune"))).toEqual([
      "net uninstalled",
      "store-v3.1 uninstalled",
      "other unchanged",
    ]);
    await rm(host.path(other));
    await host.answer("apply", "--prune");
    expect(await names()).toEqual(["alone"]);
  });

  it("is not enabled again when that fails and an administrator has disabled it", async () => {
    const host = await makeHost();
    await writeStack(host, sections({ a: etcd, b: etcd }));
    await host.answer("apply");
    await rm(host.path("etc/systemd/system/multi-user.target.wants/a.service"));
    await writeStack(host, "");
    const { verbs } = (await host.plan("apply", "--prune")) as Applied;
    expect(verbs.filter((verb) => verb.startsWith("systemctl disable"))).toEqual(["systemctl disable b.service"]);
  });

  it("is not removed while others need it, and may hand its files over", async () => {
    const host = await makeHost();
    const files = { ...serviceLayer({}), "exports/hostfs/etc/one": "1\n" };
    const { reference } = await shelf.build({ layers: [files] });
    await writeStack(host, `[a]\nimage = ${reference}\n[store]\nimage = ${etcd.reference}\n`);
    await host.answer("apply");
    await host.answer("install", "--name", "net", flanneld.reference);
    await writeStack(host, `[b]\nimage = ${reference}\n`);
    expect((await host.refused(13, "apply", "--prune")).message).toBe("store is needed by net");
    await writeStack(host, `[b]\nimage = ${reference}\n[store]\nimage = ${etcd.reference}\n`);
    expect(actions(await host.answer<Applied>("apply", "--prune"))).toEqual([
      "a uninstalled",
      "b installed",
      "store unchanged",
    ]);
    expect(host.read("etc/one")).toBe("1\n");
    expect((await host.keelson("verify")).status).toBe(0);
  });
});
