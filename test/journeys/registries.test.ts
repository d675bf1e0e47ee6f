import { spawn } from "node:child_process";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { environment, type Host, makeHost } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { addBlob, addImage, addManifest, type FakeRegistry, refuse, startFakeRegistry } from "../fakes/registry.ts";

const layer = tarArchive(tarEntry({ name: "file" }, "content"));
let one: FakeRegistry;
let two: FakeRegistry;
let host: Host;

beforeEach(async () => {
  [one, two, host] = await Promise.all([startFakeRegistry(), startFakeRegistry(), makeHost()]);
});

afterEach(() => Promise.all([one.stop(), two.stop()]));

const write = (name: string, text: string): void => host.write(`/etc/containers/${name}`, text);

const keep = (fake: FakeRegistry, tag = "latest"): void => void addImage(fake, tag, gzipSync(layer), layer);
const paths = (fake: FakeRegistry): readonly string[] => fake.requests.map(({ path }) => path);

describe("a registry of registries.conf", () => {
  const mirrored = (): string => `
    [[registry]]
    prefix = "registry.example/team"
    location = "${two.host}/moved"
    insecure = true
    [[registry.mirror]]
    location = "${one.host}/mirror"
    insecure = true
  `;

  it("is asked through its mirror, and the image keeps the name it was asked for by", async () => {
    keep(one);
    write("registries.conf", mirrored());
    const { reference } = await host.answer<{ reference: string }>("pull", "registry.example/team/app");
    expect(reference).toBe("registry.example/team/app:latest");
    expect(paths(one)).toContain("/v2/mirror/app/manifests/latest");
    expect(two.requests).toEqual([]);
    const [stored] = await host.answer<readonly { reference: string }[]>("images");
    expect(stored?.reference).toBe(reference);
  });

  it("is asked at its location when the mirror does not have the image", async () => {
    keep(two);
    write("registries.conf.d/mirror.conf", mirrored());
    await host.answer("pull", "registry.example/team/app");
    expect(paths(one)).toEqual(["/v2/mirror/app/manifests/latest"]);
    expect(paths(two)).toContain("/v2/moved/app/manifests/latest");
  });

  it("gives a layer that the mirror has lost", async () => {
    keep(one);
    keep(two);
    one.fault = (request, response) =>
      request.url?.endsWith(digestOf(gzipSync(layer))) === true && refuse(response, 404, "BLOB_UNKNOWN");
    write("registries.conf", mirrored());
    await host.answer("pull", "registry.example/team/app");
    expect(paths(two)).toEqual([`/v2/moved/app/blobs/${digestOf(gzipSync(layer))}`]);
  });

  it("is named with every reason when no place gives the image", async () => {
    write("registries.conf", mirrored());
    one.fault = (_request, response) => refuse(response, 403, "DENIED");
    const { code, message } = await host.refused(1, "pull", "registry.example/team/app");
    expect(code).toBe("E_REGISTRY");
    expect(message).toContain(`${one.host}/mirror/app:latest: ${one.host}, repository mirror/app: status 403: DENIED`);
    expect(message).toContain(`${two.host}/moved/app:latest: ${two.host}, repository moved/app: status 404`);
  });

  it("is not asked when it is blocked", async () => {
    keep(one);
    write("registries.conf", `[[registry]]\nlocation = "${one.host}"\nblocked = true\n`);
    expect(await host.refused(1, "pull", "--tls-verify=false", `${one.host}/app`)).toMatchObject({ code: "E_BLOCKED" });
    expect(one.requests).toEqual([]);
  });

  it("is spoken to over HTTPS unless it is called insecure", async () => {
    keep(one);
    write("registries.conf", `[[registry]]\nlocation = "${one.host}"\n`);
    expect(await host.refused(1, "pull", `${one.host}/app`)).toMatchObject({ code: "E_REGISTRY" });
  });

  it("of a file that is not allowed is refused with file and key", async () => {
    write("registries.conf.d/50-bad.conf", "[[registry]]\ninsecure = 3\n");
    const { code, message } = await host.refused(2, "pull", `${one.host}/app`);
    expect([code, message]).toEqual(["E_SETTINGS", expect.stringMatching(/50-bad\.conf: registry\[0\]\.prefix /)]);
  });
});

describe("a short name", () => {
  const search = (...more: readonly string[]): string => {
    const insecure = [one, two].map((fake) => `[[registry]]\nlocation = "${fake.host}"\ninsecure = true\n`);
    const searched = JSON.stringify([one.host, two.host]);
    return [`unqualified-search-registries = ${searched}`, ...more, ...insecure].join("\n");
  };

  it("is an error where no file says what it means", async () => {
    expect(await host.refused(2, "install", "etcd")).toMatchObject({
      code: "E_REFERENCE",
      message: "etcd does not say which registry it comes from",
    });
  });

  it("is its alias, and the container is called as before", async () => {
    addService(two, "v3");
    write("registries.conf", search());
    write("registries.conf.d/000-shortnames.conf", `[aliases]\n"etcd" = "${two.host}/coreos/etcd"\n`);
    const { name } = await host.answer("install", "--system", "etcd:v3");
    expect(name).toBe("etcd-v3");
    expect(one.requests).toEqual([]);
    const info = await host.answer<{ image: string }>("info", "etcd-v3");
    expect(JSON.stringify(info)).toContain(`${two.host}/coreos/etcd:v3`);
    write("registries.conf.d/000-shortnames.conf", "");
    expect(await host.answer("update", "etcd-v3")).toMatchObject({ updated: false });
  });

  it("of several registries is an error that lists the candidates", async () => {
    write("registries.conf", search());
    const { code, message } = await host.refused(2, "pull", "etcd");
    expect(code).toBe("E_REFERENCE");
    expect(message).toContain(`\n${one.host}/etcd:latest\n${two.host}/etcd:latest`);
  });

  it.each(["permissive", "disabled"])("is tried in each registry when the mode is %s", async (mode) => {
    keep(two);
    write("registries.conf", search(`short-name-mode = "${mode}"`));
    expect(await host.answer("pull", "etcd")).toMatchObject({ reference: `${two.host}/etcd:latest` });
    expect(paths(one)).toEqual(["/v2/etcd/manifests/latest"]);
  });

  it("is asked for on a terminal, and the answer is kept once the image is there", async () => {
    keep(two);
    write("registries.conf", search());
    const chosen = "/var/cache/containers/short-name-aliases.conf";
    expect(await onTerminal(["pull", "etcd"], "7\n1\n")).toMatchObject({ status: 1 });
    expect(host.has(chosen)).toBe(false);
    const { status, screen } = await onTerminal(["pull", "etcd"], "2\n");
    expect(status, screen).toBe(0);
    expect(screen).toContain(`2  ${two.host}/etcd:latest`);
    expect(host.read(chosen)).toBe(`[aliases]\netcd = "${two.host}/etcd"\n`);
    expect(await host.answer("pull", "etcd")).toMatchObject({ reference: `${two.host}/etcd:latest` });
  });
});

/** Runs keelson on a terminal of its own, with what a person types. */
async function onTerminal(args: readonly string[], typed: string): Promise<{ status: number; screen: string }> {
  const line = [await builtProgram(), "--root", host.root, ...args].join(" ");
  const child = spawn("script", ["-qec", line, "/dev/null"], { env: environment, stdio: ["pipe", "pipe", "inherit"] });
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const before = screen;
    screen += text;
    if (/number/.test(screen) && !/number/.test(before)) child.stdin.write(typed);
  });
  const [status] = await once(child, "close");
  return { status: Number(status), screen };
}

/** Keeps an image that can be installed. */
function addService(fake: FakeRegistry, tag: string): void {
  const stored = addBlob(fake, "application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(layer));
  const rootfs = { type: "layers", diff_ids: [digestOf(layer)] };
  const document = { os: "linux", architecture: "amd64", config: { Cmd: ["/file"] }, rootfs };
  const config = addBlob(fake, "application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(document)));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  addManifest(fake, tag, { schemaVersion: 2, mediaType, config, layers: [stored] } as { readonly mediaType: string });
}
