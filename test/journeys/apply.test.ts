import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { beforeAll, describe, expect, it } from "vitest";
import { type Applied, actions, place, switched, writeStack } from "../bed/applied.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { serviceLayer } from "../bed/services.ts";

const shelf = openShelf();
const image = (manifest: object, lines = ""): Promise<TestImage> =>
  shelf.build({ layers: [serviceLayer(manifest, lines)] });

let etcd: TestImage;
let flanneld: TestImage;
let containerd: TestImage;
beforeAll(async () => {
  [etcd, flanneld, containerd] = await Promise.all([
    image({ provides: ["kv/etcd"], defaultValues: { WORD: "1" } }, "Documentation=man:$WORD"),
    image({ provides: ["net"], requires: ["kv/etcd"] }),
    image({ requires: ["net"] }),
  ]);
});

/** Sections in an order that is none to start in. */
const chain = (more: { readonly etcd?: string; readonly net?: string } = {}): string => `; a node
[box]
image = ${containerd.reference}

[net]
image = ${flanneld.reference}
${more.net ?? ""}
[store-v3.1]
image = ${etcd.reference}
${more.etcd ?? ""}
`;

describe("a stack", () => {
  it("is installed in the order of its dependencies, and a second run changes nothing", async () => {
    const host = await makeHost();
    const before = await host.snapshot();
    const file = await writeStack(host, chain());
    const planned = await host.plan("apply", file);
    const done = await host.answer<Applied>("apply", file);
    expect(done.changes).toEqual(planned.changes);
    expect(switched(done)).toEqual([
      "switch store-v3.1 to deployment 1",
      "switch net to deployment 1",
      "switch box to deployment 1",
    ]);
    expect(actions(done)).toEqual(["store-v3.1 installed", "net installed", "box installed"]);
    const once = done.changes.map(({ path }) => path).filter((path) => path?.endsWith("/10-keelson.conf"));
    expect(once).toHaveLength(2);
    expect(host.read("etc/systemd/system/net.service.d/10-keelson.conf")).toContain("\nAfter=store-v3.1.service\n");

    const settled = await host.snapshot();
    const nothing = { changes: [], kept: [] };
    for (const args of [["plan", "apply"], ["plan", file], ["plan"], ["apply"]]) {
      const again = await host.answer<Applied>(...args);
      expect(again).toMatchObject(nothing);
      expect(actions(again)).toEqual(["box unchanged", "net unchanged", "store-v3.1 unchanged"]);
    }
    expect(await host.snapshot()).toEqual(settled);
    expect((await host.keelson("verify")).status).toBe(0);
    for (const name of ["box", "net", "store-v3.1"]) await host.answer("uninstall", name);
    await rm(host.path("etc/keelson"), { recursive: true });
    expect(await host.snapshot()).toEqual(before);
  });

  it("changes only what is another in it", async () => {
    const host = await makeHost();
    await writeStack(host, chain());
    await host.answer("apply");
    await writeStack(host, chain({ etcd: "set.WORD = 2" }));
    const planned = (await host.plan()) as Applied;
    expect(planned.containers[0]).toMatchObject({
      name: "store-v3.1",
      action: "updated",
      files: [
        { path: "/etc/systemd/system/store-v3.1.service", diff: expect.stringContaining("+Documentation=man:2") },
      ],
    });
    const done = await host.answer<Applied>("apply");
    expect(actions(done)).toEqual(["store-v3.1 updated", "box unchanged", "net unchanged"]);
    expect(done.changes).toEqual(planned.changes);
    expect(host.read("etc/systemd/system/store-v3.1.service")).toContain("Documentation=man:2\n");
    // What somebody does by hand is put back.
    await host.answer("update", "store-v3.1", "--set", "WORD=3");
    expect(actions(await host.answer<Applied>("apply"))[0]).toBe("store-v3.1 updated");
    expect(host.read("etc/systemd/system/store-v3.1.service")).toContain("Documentation=man:2\n");
  });

  it("adds dependencies and overrides of its own, which a later update keeps to", async () => {
    const host = await makeHost();
    const own = "environment.WHO = me\nprocess.args[] = --one\nprocess.args[] = --two\n";
    await writeStack(
      host,
      `[a]\nimage = ${etcd.reference}\nrequires = b ready\n${own}[b]\nimage = ${etcd.reference}\n`,
    );
    expect(switched(await host.answer("apply"))).toEqual(["switch b to deployment 1", "switch a to deployment 1"]);
    const addition = "etc/systemd/system/a.service.d/10-keelson.conf";
    for (const args of [["list"], ["update", "a", "--set", "WORD=4"]]) {
      await host.answer(...args);
      expect(host.read(addition)).toContain("ExecStartPre=systemctl is-active --quiet b.service\n");
      const { process } = JSON.parse(host.read("var/lib/keelson/deployments/a/current/config.json"));
      expect(process).toMatchObject({ env: ["WHO=me"], args: ["/usr/bin/etcd", "--one", "--two"] });
    }
    expect(await host.answer("info", "a")).toMatchObject({
      stack: place,
      overrides: [`${place} [a]: environment WHO=me`, `${place} [a]: process args=--one --two`],
    });
    expect((await host.refused(13, "uninstall", "b")).message).toBe("b is needed by a");
    await writeStack(host, `[a]\nimage = ${etcd.reference}\n[b]\nimage = ${etcd.reference}\n`);
    await host.answer("apply");
    expect(host.has(addition)).toBe(false);
    await host.answer("uninstall", "b");
  });

  it("may come out of a pipe", async () => {
    const host = await makeHost();
    await run("mkfifo", host.path("etc/pipe"));
    const [done] = await Promise.all([
      host.answer<Applied>("apply", host.path("etc/pipe")),
      writeStack(host, chain(), "/etc/pipe"),
    ]);
    expect(actions(done)).toHaveLength(3);
  });

  it("takes over what was installed by hand, as it is", async () => {
    const host = await makeHost();
    await host.answer("install", "--name", "store-v3.1", "--set", "WORD=2", etcd.reference);
    await writeStack(host, chain({ etcd: "set.WORD = 2" }));
    const done = await host.answer<Applied>("apply");
    expect(actions(done)).toEqual(["store-v3.1 updated", "net installed", "box installed"]);
    expect(done.changes.filter(({ text }) => text.startsWith("systemctl")).map(({ text }) => text)).not.toContain(
      "systemctl stop store-v3.1.service",
    );
    expect(await host.answer("info", "store-v3.1")).toMatchObject({ stack: place, generation: 2 });
  });
});

describe("a stack that cannot be is refused, with every byte as it was:", () => {
  const service = (name: string, lines = ""): string => `[${name}]\nimage = ${etcd.reference}\n${lines}\n`;

  it.each([
    [
      "a cycle",
      [13, "E_CYCLE"],
      "no order of start is possible: a.service -> b.service -> c.service -> a.service",
      () => `${service("a", "requires = b")}${service("b", "requires = c")}${service("c", "requires = a")}`,
    ],
    [
      "a requirement that nothing provides",
      [13, "E_REQUIRES"],
      "b requires nobody, which nothing on this host provides",
      () => `${service("a")}${service("b", "requires = nobody")}`,
    ],
    [
      "a value that no unit may have",
      [1, "E_VALUE"],
      /WORD/,
      () => `${service("a")}${service("b", 'set.WORD = "1\\n2"')}`,
    ],
  ] as const)("%s", async (_, [status, code], message, text) => {
    const host = await makeHost();
    const file = await writeStack(host, text());
    for (const args of [
      ["apply", file],
      ["plan", file],
    ]) {
      const failure = await host.refused(status, ...args);
      expect(failure.code).toBe(code);
      if (typeof message === "string") expect(failure.message).toBe(message);
      else expect(failure.message).toMatch(message);
    }
  });

  it("two containers with the same file on the host, and a unit of the host", async () => {
    const host = await makeHost();
    const files = { ...serviceLayer({}), "exports/hostfs/etc/one": "1\n" };
    const { reference } = await shelf.build({ layers: [files] });
    await writeStack(host, `[a]\nimage = ${reference}\n[b]\nimage = ${reference}\n`);
    expect((await host.refused(4, "apply")).message).toContain("/etc/one (of container a)");
    await writeStack(host, "[Service]\nExecStart=/bin/true\n", "/usr/lib/systemd/system/a.service");
    expect(await host.refused(4, "apply")).toMatchObject({ code: "E_NAME_TAKEN" });
  });

  it("an image that runs once, leaving nothing behind", async () => {
    const host = await makeHost();
    const labels = { "atomic.run": "once" };
    const once = await shelf.build({ layers: [serviceLayer({})], config: { labels } });
    await writeStack(host, `[a]\nimage = ${etcd.reference}\n[b]\nimage = ${once.reference}\n`);
    const scratch = (): readonly string[] => readdirSync(tmpdir()).filter((name) => /^keelson-.{6}$/.test(name));
    const before = scratch();
    for (const args of [["apply"], ["plan"]]) {
      const { code, message } = await host.refused(2, ...args);
      expect([code, message]).toEqual(["E_SETTINGS", `${place}: b: ${once.reference} runs once and is no service`]);
    }
    expect(scratch().filter((name) => !before.includes(name))).toEqual([]);
  });

  it("more than before, unless that is allowed", async () => {
    const host = await makeHost();
    await writeStack(host, chain());
    await host.answer("apply");
    const wide = await image({ provides: ["kv/etcd"] }, "Conflicts=shutdown.target other.service");
    const text = chain().replace(etcd.reference, wide.reference);
    await writeStack(host, text);
    expect(await host.refused(11, "apply")).toMatchObject({ code: "E_WIDENS" });
    await host.answer("apply", "--allow-widen");
  });
});
