import { chown, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { environment, failureOf, makeHost, type Ran, runToEnd, startKeelson } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { type FaultyRegistry, startFaultyRegistry, stored } from "../fakes/faulty-registry.ts";

const shelf = openShelf();
let etcd: TestImage;

beforeAll(async () => {
  etcd = await shelf.build({ layers: [etcdLike()] });
});

it("who may not read the store is told so, and nothing is called broken or present", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", etcd.reference);
  await chown(host.path("/var/lib/keelson"), 65534, 65534);
  // Without capabilities root is a user like any other.
  const drop = ["--bounding-set=-all", "--inh-caps=-all", await builtProgram(), "--root", host.root, "--json"];
  for (const args of [["list"], ["info", "foo"], ["plan", "install", "--name", "bar", etcd.reference], ["recover"]]) {
    const ran = await runToEnd("setpriv", [...drop, ...args], { env: environment });
    expect([args[0], ran.status, failureOf(ran).code]).toEqual([args[0], 1, "E_NOT_ROOT"]);
  }
});

describe("a signal while a layer is on its way", () => {
  let faulty: FaultyRegistry;

  beforeAll(async () => {
    faulty = await startFaultyRegistry();
  });
  afterAll(() => faulty.stop());

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends with 130 and leaves nothing", async (signal) => {
    const host = await makeHost();
    const before = await host.snapshot();
    const asked = new Promise<void>((resolve) => {
      faulty.onLayer((_, response) => {
        response.writeHead(200, { "content-length": stored.length });
        response.write(stored.subarray(0, 100_000), () => resolve());
        return true;
      });
    });
    const keelson = await startKeelson(["--root", host.root, "--json", "pull", "--tls-verify=false", faulty.reference]);
    await asked;
    keelson.child.kill(signal);
    const ran: Ran = await keelson.ended;

    expect(ran.status, ran.stderr).toBe(130);
    expect(failureOf(ran).code).toBe("E_INTERRUPTED");
    expect(await host.snapshot()).toEqual(before);
  });
});

describe("exit statuses", () => {
  it("2 for a command line that is not understood, before anything is touched", async () => {
    const host = await makeHost();
    for (const args of [["instal"], ["install"], ["list", "--colour"], ["install", "a", "b"], []]) {
      expect((await host.refused(2, ...args)).code).toBe("E_USAGE");
    }
  });

  it("2 for references and settings", async () => {
    const host = await makeHost();
    expect((await host.refused(2, "install", "etcd")).code).toBe("E_REFERENCE");
    expect((await host.refused(2, "pull", "ftp:/x")).code).toBe("E_REFERENCE");
    await mkdir(dirname(host.path("/etc/keelson/keelson.conf")), { recursive: true });
    await writeFile(host.path("/etc/keelson/keelson.conf"), "colour = red\n");
    expect((await host.refused(2, "list")).code).toBe("E_SETTINGS");
  });

  it("1 for a source that is not there, and 3 for a name that is not", async () => {
    const host = await makeHost();
    expect((await host.refused(1, "pull", "oci:/nowhere")).code).toBe("E_SOURCE");
    expect((await host.refused(3, "info", "nothing")).code).toBe("E_NOT_FOUND");
  });
});
