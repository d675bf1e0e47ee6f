import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { pull } from "./pull.ts";

const scratch = mkdtempSync(join(tmpdir(), "keelson-certs-"));
let registry: TestRegistry;
let image: TestImage;

beforeAll(async () => {
  [registry, image] = await Promise.all([
    startRegistry({ tls: true, clientCertificates: true }),
    buildImage({ layers: [{ file: "1" }] }),
  ]);
  const directory = join(directoryWith({ "ca.crt": registry.ca, ...pair() }), registry.host);
  await run(
    "skopeo",
    "copy",
    "-q",
    "--dest-cert-dir",
    directory,
    image.reference,
    `docker://${registry.host}/team/app:v1`,
  );
});

afterAll(async () => {
  rmSync(scratch, { recursive: true });
  await Promise.all([registry.stop(), image.remove()]);
});

const pair = (): Record<string, string | undefined> => ({
  "client.cert": registry.client?.cert,
  "client.key": registry.client?.key,
});

/** A certs.d with these files for a registry. */
function directoryWith(files: Readonly<Record<string, string | undefined>>, host: string = registry.host): string {
  const directory = mkdtempSync(join(scratch, "d"));
  mkdirSync(join(directory, host));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, host, name), text ?? "");
  return directory;
}

function pullWith(...certificates: readonly string[]): ReturnType<typeof pull> {
  return pull(`${registry.host}/team/app:v1`, { tlsVerify: true, certificates });
}

describe("a registry that wants to see a certificate", () => {
  it("gives the image to who has certs.d as skopeo reads it", async () => {
    const pulled = await pullWith(join(scratch, "absent"), directoryWith({ "ca.crt": registry.ca, ...pair() }));
    expect(pulled.tars).toEqual(pulled.config.diffIds);
  });

  it.each<[string, () => string]>([
    ["only its authority", () => directoryWith({ "ca.crt": registry.ca })],
    ["only the client's certificate", () => directoryWith(pair())],
    ["what belongs to another registry", () => directoryWith({ "ca.crt": registry.ca, ...pair() }, "other.example")],
  ])("gives nothing to who has %s", async (_what, directory) => {
    await expect(pullWith(directory())).rejects.toMatchObject({ code: "E_REGISTRY" });
  });

  it("is looked up in the first directory that knows it, and there alone", async () => {
    const whole = directoryWith({ "ca.crt": registry.ca, ...pair() });
    await expect(pullWith(directoryWith({}), whole)).rejects.toMatchObject({ code: "E_REGISTRY" });
    expect((await pullWith(whole, directoryWith({}))).tars).toHaveLength(1);
  });
});

describe("certs.d is refused", () => {
  it.each<[string, Record<string, string>, string]>([
    ["for a key without its certificate", { "client.key": "x" }, "client.key is a key without"],
    ["for a certificate without its key", { "client.cert": "x" }, "client.cert is a client certificate without"],
    ["for an authority that is none", { "ca.crt": "x" }, "ca.crt holds no certificate"],
    ["for a pair that is none", { "a.cert": "x", "a.key": "y" }, "a.cert and "],
  ])("%s", async (_what, files, message) => {
    const failure = pullWith(directoryWith(files));
    await expect(failure).rejects.toMatchObject({ code: "E_SETTINGS" });
    await expect(failure).rejects.toThrow(message);
  });
});
