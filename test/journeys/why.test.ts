import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";

const shelf = openShelf();
let image: TestImage;

beforeAll(async () => {
  image = await shelf.build({ layers: [etcdLike()] });
});

async function whyNot(host: Host, name: string): Promise<readonly unknown[]> {
  const { status, stdout } = await host.keelson("--json", "why", name);
  const { causes } = JSON.parse(stdout) as {
    readonly causes: readonly { readonly code: string; readonly of: string }[];
  };
  return [status, ...causes.map(({ code, of }) => `${code} ${of}`)];
}

const unit = "/etc/systemd/system/foo.service";

describe("why, of a root on which no systemd runs", () => {
  it.each<[string, readonly string[], (host: Host) => Promise<unknown>, readonly string[]]>([
    ["enabled", [], async () => {}, []],
    ["not enabled", ["--no-enable"], async () => {}, ["DISABLED foo.service"]],
    [
      "masked",
      [],
      async (host) => {
        await rm(host.path(unit));
        await symlink("/dev/null", host.path(unit));
      },
      ["MASKED foo.service"],
    ],
    ["without its unit", [], (host) => rm(host.path(unit)), ["UNIT_MISSING foo.service"]],
  ])("says so of a container that is %s", async (_, options, damage, causes) => {
    const host = await makeHost();
    await host.answer("install", "--name", "foo", ...options, image.reference);
    await damage(host);
    const before = await host.snapshot();
    expect(await whyNot(host, "foo")).toEqual([9, "NO_SYSTEMD foo.service", ...causes]);
    expect(await host.snapshot()).toEqual(before);
  });

  it("names a change of it that was interrupted, and a record that cannot be read", async () => {
    const host = await makeHost();
    await host.answer("install", "--name", "foo", image.reference);
    const journal = { schema: 1, verb: "update", name: "foo", direction: "back", changes: [] };
    await mkdir(host.path("/var/lib/keelson/journal"), { recursive: true });
    await writeFile(host.path("/var/lib/keelson/journal/transaction"), JSON.stringify(journal));
    await writeFile(host.path("/var/lib/keelson/deployments/foo/1/deployment.json"), "{");
    expect(await whyNot(host, "foo")).toEqual([9, "INTERRUPTED foo", "BROKEN foo"]);
  });

  it("offers the image in the store that would be called so", async () => {
    const host = await makeHost();
    expect(await whyNot(host, "layout")).toEqual([3, "NOT_INSTALLED layout"]);
    await host.answer("pull", image.reference);
    const { status, stdout } = await host.keelson("why", "layout");
    expect(status).toBe(3);
    expect(stdout).toMatch(/\n {2}keelson install --system --start .*oci:.*\/layout:latest\n$/);
    expect((await host.keelson("why", "not a name")).status).toBe(2);
  });
});

it.each([
  ["exec", "foo", "ls"],
  ["shell", "foo"],
  ["run", "foo"],
  ["top"],
  ["boot"],
  ["mount", "foo", "/"],
  ["unmount", "/"],
])("%s acts on this host alone", async (...words) => {
  const host = await makeHost();
  expect((await host.refused(2, ...words)).code).toBe("E_USAGE");
});
