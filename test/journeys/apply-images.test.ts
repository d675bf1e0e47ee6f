import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Applied, actions, place, writeStack } from "../bed/applied.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { buildIndex, push, type TestImage, topDigest } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { serviceLayer } from "../bed/services.ts";
import { watchRegistry } from "../bed/watched-registry.ts";

const shelf = openShelf();
const tls = "--tls-verify=false";

let registry: TestRegistry;
let first: TestImage;
let second: TestImage;
let digests: { readonly first: string; readonly second: string };
beforeAll(async () => {
  [registry, first, second] = await Promise.all([
    startRegistry(),
    shelf.build({ layers: [serviceLayer({ provides: ["kv/etcd"] })] }),
    shelf.build({ layers: [serviceLayer({ provides: ["kv/etcd"] }), { "usr/share/second": "2\n" }] }),
  ]);
  digests = { first: await topDigest(first), second: await topDigest(second) };
});
afterAll(() => registry.stop());

/** A name in the registry that this image has, and no other test uses. */
let names = 0;
async function publish(image: TestImage, name = `${registry.host}/image-${names++}:v1`): Promise<string> {
  await push(image.reference, name, { unchanged: true });
  return name;
}

const lockPlace = place.replace(/conf$/, "lock");
const digestOf = async (host: Host, name: string): Promise<string> =>
  (await host.answer<{ readonly digest: string }>("info", name)).digest;

describe("a lock", () => {
  it("names the images that apply takes, whatever their tags have become", async () => {
    const watched = await watchRegistry(registry.host);
    const host = await makeHost();
    const upstream = await publish(first);
    const name = upstream.replace(registry.host, watched.host);
    const file = await writeStack(host, `[b]\nimage = ${name}\n[a]\nimage = ${name}\n`);
    const line = (key: string, digest: string): string => `${key} = ${name}@${digest}\n`;
    const text = (digest: string): string =>
      `# Written by keelson lock; keelson apply takes these images and no others.\n${line("a", digest)}${line("b", digest)}`;
    const dry = await host.keelson("lock", tls, "--dry-run", file);
    expect([dry.status, dry.stdout, host.has(lockPlace)]).toEqual([
      10,
      `${line("b", digests.first)}${line("a", digests.first)}${lockPlace} would be written\n`,
      false,
    ]);
    expect((await host.keelson("lock", tls, file)).status).toBe(0);
    expect(host.read(lockPlace)).toBe(text(digests.first));

    await publish(second, upstream);
    await host.answer("apply", tls, file);
    expect(await digestOf(host, "a")).toBe(digests.first);
    watched.forget();
    expect(actions(await host.answer<Applied>("apply", tls, file))).toEqual(["b unchanged", "a unchanged"]);
    expect(watched.asked()).toEqual([]);

    const again = await host.keelson("lock", tls, file);
    expect([again.status, again.stdout]).toEqual([
      0,
      `${line("b", digests.second)}${line("a", digests.second)}${lockPlace} was written\n`,
    ]);
    expect(host.read(lockPlace)).toBe(text(digests.second));
    expect((await host.keelson("lock", tls)).stdout).toBe(`${lockPlace} is up to date\n`);
    expect(actions(await host.answer<Applied>("apply", tls))).toEqual(["a updated", "b updated"]);
    expect(await digestOf(host, "b")).toBe(digests.second);
  });

  it("of another stack is refused, and so is a file that has become another image", async () => {
    const host = await makeHost();
    await writeStack(host, `[a]\nimage = ${first.reference}\n`);
    await host.answer("lock");
    await writeStack(host, `[a]\nimage = ${second.reference}\n`);
    const other = `${lockPlace} has ${first.reference} for a, whose image is ${second.reference}`;
    expect(await host.refused(2, "apply")).toMatchObject({ code: "E_SETTINGS", message: other });
    await writeFile(host.path(lockPlace), `a = ${second.reference}@${digests.first}\n`);
    const wrong = `${second.reference} has the digest ${digests.second}, not ${digests.first}`;
    expect(await host.refused(1, "apply")).toMatchObject({ code: "E_DIGEST", message: wrong });
  });

  it("may name an index, as a bot does that asks the registry for a tag's digest", async () => {
    const host = await makeHost();
    const arm = await shelf.build({ layers: [{ arm: "yes" }], config: { architecture: "arm64" } });
    const index = await buildIndex([first, arm]);
    const [name, digest] = [`${registry.host}/many:v1`, await topDigest(index)];
    await push(index.reference, name, { all: true, unchanged: true });
    await index.remove();
    await publish(second, name);
    await writeStack(host, `[a]\nimage = ${name}\n`);
    await writeFile(host.path(lockPlace), `a = ${name}@${digest}\n`);
    await host.answer("apply", tls);
    expect(await digestOf(host, "a")).toBe(digests.first);
    expect(actions(await host.answer<Applied>("apply", tls))).toEqual(["a unchanged"]);
  });
});

describe("without a network", () => {
  it("images come out of a bundle, as they are locked", async () => {
    const [host, elsewhere] = await Promise.all([makeHost(), makeHost()]);
    const names = [await publish(first), await publish(second)] as const;
    const file = join(tmpdir(), `keelson-stack-${process.pid}.tar`);
    await elsewhere.answer("bundle", tls, "-o", file, ...names);
    try {
      await writeStack(host, `[a]\nimage = ${names[0]}\n[b]\nimage = ${names[1].replace(/^[^/]+\//, "")}\n`);
      await writeFile(
        host.path(lockPlace),
        `a = ${names[0]}@${digests.second}\nb = ${names[1].replace(/^[^/]+\//, "")}@${digests.second}\n`,
      );
      expect(await host.refused(1, "apply", "--bundle", file)).toMatchObject({ code: "E_DIGEST" });
      await rm(host.path(lockPlace));
      expect(actions(await host.answer<Applied>("apply", "--bundle", file))).toEqual(["a installed", "b installed"]);
      expect(await host.answer("info", "b")).toMatchObject({ image: names[1], digest: digests.second });
      expect(actions(await host.answer<Applied>("apply", "--bundle", file))).toEqual(["a unchanged", "b unchanged"]);
    } finally {
      await rm(file, { force: true });
    }
  });

  it("images are the store's with --offline", async () => {
    const host = await makeHost();
    const name = await publish(first);
    await writeStack(host, `[a]\nimage = ${name}\n`);
    expect(await host.refused(3, "apply", "--offline")).toMatchObject({
      code: "E_NOT_FOUND",
      message: `${name} is not in the store`,
    });
    await host.answer("pull", tls, name);
    await publish(second, name);
    await host.answer("apply", "--offline");
    expect(await digestOf(host, "a")).toBe(digests.first);
    expect(actions(await host.answer<Applied>("apply", "--offline"))).toEqual(["a unchanged"]);
    expect(actions(await host.answer<Applied>("apply", tls))).toEqual(["a updated"]);
  });
});

it("what is to be applied at boot is written once, and removed again", async () => {
  const host = await makeHost();
  await mkdir(host.path("etc/systemd/system"), { recursive: true });
  const before = await host.snapshot();
  const unit = "etc/systemd/system/keelson-apply.service";
  const enable = ["apply", "--enable-at-boot", "--prune", "--soak", "1s"];
  expect((await host.plan(...enable)).changes.map(({ path }) => path)).toContain(`/${unit}`);
  expect((await host.keelson(...enable)).stdout).toBe("/etc/keelson/stack.d is applied at every boot\n");
  expect(await readFile(host.path(unit), "utf8")).toMatch(/^ExecStart=\/\S+ apply --prune --soak 1s$/m);
  expect((await host.keelson("plan", ...enable)).status).toBe(0);
  expect(await host.refused(2, "apply", "--enable-at-boot", host.path("etc"))).toMatchObject({ code: "E_USAGE" });
  await host.answer("apply", "--disable-at-boot");
  expect(await host.snapshot()).toEqual(before);
});
