import { readlinkSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { failureOf, type Host, makeHost } from "../bed/journey.ts";
import { base } from "../boot/payloads.ts";

const shelf = openShelf();
const unitOf = (host: Host, name: string): string => host.read(`/etc/systemd/system/${name}.service`);

/** Without a unit and config.json of its own, but with a volume. */
const plain = (files: Readonly<Record<string, string>> = {}): Promise<TestImage> =>
  shelf.build({
    layers: [{ ...base("true"), ...files }],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], volumes: ["/data"] },
  });

let early: TestImage;
let networked: TestImage;
beforeAll(async () => {
  [early, networked] = await Promise.all([
    plain({ "exports/manifest.json": '{"phase": "early"}' }),
    plain({ "exports/service.template": "[Unit]\nAfter=network.target\n[Service]\nExecStart=$EXEC_START\n" }),
  ]);
});

describe("the phase of a container", () => {
  it("is that of its image, or that of --phase, which an update keeps", async () => {
    const host = await makeHost();
    expect(await host.answer("install", "--name", "one", early.reference)).toMatchObject({ phase: "early" });
    expect(unitOf(host, "one")).toMatch(
      /\nBefore=sysinit\.target shutdown\.target\n(?:.*\n)*RequiresMountsFor=.*\/var\/lib\/one\/data/,
    );
    expect(unitOf(host, "one")).not.toContain("network");
    const link = "/etc/systemd/system/sysinit.target.wants/one.service";
    expect(readlinkSync(host.path(link))).toBe("/etc/systemd/system/one.service");

    await host.answer("install", "--name", "two", "--phase", "basic", early.reference);
    expect(await host.answer("update", "two", "--set", "X=1")).toMatchObject({ phase: "basic" });
    expect(unitOf(host, "two")).toMatch(/\nBefore=sockets\.target basic\.target shutdown\.target\n/);
    await host.answer("install", "--name", "three", "--phase", "normal", early.reference);
    expect(unitOf(host, "three")).toContain("\nAfter=network.target\n");
    expect(unitOf(host, "three")).not.toContain("DefaultDependencies");

    expect((await host.keelson("verify")).status).toBe(0);
    await host.answer("uninstall", "one");
    expect(() => readlinkSync(host.path(link))).toThrow("ENOENT");
  });

  it("pre-runtime comes before a container that provides a runtime, under the name it has", async () => {
    const host = await makeHost();
    const runtime = await plain({ "exports/manifest.json": '{"provides": ["runtime"]}' });
    await host.answer("install", "--name", "boxes-v2", runtime.reference);
    await host.answer("install", "--name", "net", "--phase", "pre-runtime", networked.reference);
    expect(unitOf(host, "net")).toContain("\nBefore=docker.service containerd.service");
    expect(host.read("/etc/systemd/system/net.service.d/10-keelson.conf")).toContain("\nBefore=boxes-v2.service\n");
  });

  it("is refused with the reason where the network would have to be there already", async () => {
    const host = await makeHost();
    const install = ["install", "--name", "x", "--phase"];
    expect(await host.refused(13, ...install, "early", networked.reference)).toMatchObject({
      code: "E_PHASE",
      message: "x is of the phase early, but waits for the network: x.service -> network.target",
    });
    await host.answer(...install, "early", "--force", networked.reference);
    await host.answer("uninstall", "x");
    await mkdir(host.path("/etc"), { recursive: true });
    await writeFile(host.path("/etc/fstab"), "server:/x /var nfs4 ro 0 0\n");
    expect(await host.refused(13, ...install, "pre-network", early.reference)).toMatchObject({
      code: "E_PHASE",
      message:
        "x is of the phase pre-network, but waits for the network: x.service -> var.mount -> network-online.target",
    });
    await host.answer(...install, "normal", early.reference);
  });

  it("may not be one that there is not", async () => {
    const host = await makeHost();
    const odd = await plain({ "exports/manifest.json": '{"phase": "late"}' });
    expect(await host.refused(1, "install", odd.reference)).toMatchObject({ code: "E_CONTRACT" });
    const ran = await host.keelson("--json", "install", "--phase", "late", early.reference);
    expect([ran.status, failureOf(ran).code]).toEqual([2, "E_USAGE"]);
  });
});
