import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attachInRegistry } from "../bed/attachments.ts";
import { openGpg } from "../bed/gpg.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { buildIndex, push, type TestImage, topDigest } from "../bed/images.ts";
import { failureOf, runKeelson } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { cosignPayload, cosignSign, makeKeyPair } from "../bed/sigstore.ts";
import { makeTrustHome, type TrustHome } from "../bed/trust.ts";
import { watchRegistry } from "../bed/watched-registry.ts";

const shelf = openShelf();
const gpg = openGpg();
const openPgpKey = gpg.makeKey("one@example.com");
const key = makeKeyPair();
const second = makeKeyPair();
const tls = "--tls-verify=false";
const accept = { type: "insecureAcceptAnything" };
const attached = { "use-sigstore-attachments": true };
let scratch: string;
let registry: TestRegistry;
let image: TestImage;
let digest: string;
/** An image with a signature by `key` attached to it, in the registry. */
let signed: string;
let counter = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-copy-signatures-"));
  [registry, image] = await Promise.all([startRegistry(), shelf.build({ layers: [{ file: "content" }] })]);
  digest = await topDigest(image);
  signed = `${registry.host}/signed/app:v1`;
  await push(image.reference, signed, { unchanged: true });
  await attach("signed/app", key);
});

afterAll(() => Promise.all([registry.stop(), rm(scratch, { recursive: true })]));

const fresh = (): string => join(scratch, `target-${counter++}`);

/** Signs the image as one of `signed/app`, and attaches that in the repository. */
function attach(repository: string, by: typeof key): Promise<void> {
  const payload = cosignPayload(digest, `${registry.host}/signed/app`);
  return attachInRegistry(registry.host, repository, digest, [cosignSign(payload, by)]);
}

function sigstoreSigned(by: typeof key): object {
  const keyData = Buffer.from(by.publicKey).toString("base64");
  const signedIdentity = { type: "exactRepository", dockerRepository: `${registry.host}/signed/app` };
  return { type: "sigstoreSigned", keyData, signedIdentity };
}

async function copy(home: TrustHome, ...args: readonly string[]) {
  const environment = { HOME: home.places.home };
  const ran = await runKeelson(["--json", "copy", tls, ...args], { environment });
  return { ...ran, answer: ran.status === 0 ? JSON.parse(ran.stdout) : failureOf(ran) };
}

describe("copy asks policy.json", () => {
  it("before a blob is read, and not with --insecure-policy", async () => {
    const watched = await watchRegistry(registry.host);
    const home = makeTrustHome({ default: [{ type: "reject" }] });
    const target = fresh();
    const { status, answer } = await copy(home, `${watched.host}/signed/app:v1`, `oci:${target}:v1`);
    expect([status, answer.code]).toEqual([12, "E_POLICY"]);
    expect(watched.asked().map(({ what }) => what)).toEqual(["manifests/v1"]);
    expect(await readdir(scratch)).not.toContain(target.slice(scratch.length + 1));
    const { answer: copied } = await copy(home, "--insecure-policy", signed, `oci:${target}:v1`);
    expect(copied).toMatchObject({ digest, signatures: 1, left: 0 });
  });

  it("about each image of an index, before the first blob of any", async () => {
    const arm = await shelf.build({ layers: [{ arm: "1" }], config: { architecture: "arm64" } });
    const index = await buildIndex([image, arm]);
    await push(index.reference, `${registry.host}/signed/index:v1`, { all: true, unchanged: true });
    await attach("signed/index", key);
    const home = makeTrustHome({ default: [sigstoreSigned(key)] }, attached);
    const watched = await watchRegistry(registry.host);
    const { status, answer } = await copy(home, "--all", `${watched.host}/signed/index:v1`, `oci:${fresh()}:v1`);
    expect([status, answer.message]).toEqual([12, expect.stringMatching(new RegExp(await topDigest(arm)))]);
    const layers = JSON.parse(await run("skopeo", "inspect", "--raw", image.reference)).layers;
    expect(watched.asked().map(({ what }) => what)).not.toContain(`blobs/${layers[0].digest}`);
    const one = await copy(home, "--platform", "linux/amd64", `${registry.host}/signed/index:v1`, `dir:${fresh()}`);
    expect(one.answer).toMatchObject({ digest, signatures: 1 });
    await index.remove();
  });
});

describe("signatures come along", () => {
  it("from a registry through every place that can hold them into a registry, where the policy finds them", async () => {
    const home = makeTrustHome({ default: [sigstoreSigned(key)] }, attached);
    const places = [`oci:${fresh()}:v1`, `oci-archive:${fresh()}.tar:v1`, `dir:${fresh()}`];
    const chain = [signed, ...places, `docker://${registry.host}/copied/app:v1`];
    for (const [at, to] of chain.slice(1).entries()) {
      const { answer } = await copy(home, chain[at] ?? "", to);
      expect(answer, to).toMatchObject({ digest, signatures: 1, left: 0 });
    }
    const last = chain.at(-1) ?? "";
    expect((await copy(home, last, `dir:${fresh()}`)).answer).toMatchObject({ digest, signatures: 1 });
    const other = makeTrustHome({ default: [sigstoreSigned(second)] }, attached);
    for (const from of [last, ...places]) expect((await copy(other, from, `dir:${fresh()}`)).status, from).toBe(12);
  });

  it("and do not take the place of those that are there", async () => {
    const repository = `${registry.host}/merged/app`;
    await push(image.reference, `${repository}:v1`, { unchanged: true });
    await attach("merged/app", second);
    const home = makeTrustHome({ default: [accept] }, attached);
    for (const _ of ["once", "again"]) {
      expect((await copy(home, signed, `${repository}:v1`)).answer).toMatchObject({ signatures: 1 });
      const raw = await run(
        "skopeo",
        "inspect",
        "--raw",
        tls,
        `docker://${repository}:${digest.replace(":", "-")}.sig`,
      );
      expect(JSON.parse(raw).layers).toHaveLength(2);
    }
    const both = makeTrustHome({ default: [sigstoreSigned(key), sigstoreSigned(second)] }, attached);
    const layout = `oci:${fresh()}:v1`;
    await copy(home, signed, layout);
    expect((await copy(both, `${repository}:v1`, layout)).answer).toMatchObject({ signatures: 2 });
    expect((await copy(both, layout, `dir:${fresh()}`)).answer).toMatchObject({ signatures: 2 });
  });

  it("unless they are left behind: by --remove-signatures, in another form, where there is no place", async () => {
    const home = makeTrustHome({ default: [accept] }, attached);
    const { answer, stderr } = await copy(home, "--remove-signatures", signed, `oci:${fresh()}:v1`);
    expect([answer.signatures, answer.left, stderr]).toEqual([0, 0, expect.not.stringMatching(/warning/)]);
    for (const args of [
      ["--format", "v2s2", signed, `dir:${fresh()}`],
      [signed, `docker-archive:${fresh()}.tar`],
    ]) {
      const ran = await copy(home, ...args);
      expect([ran.answer.signatures, ran.answer.left]).toEqual([0, 1]);
      expect(ran.stderr).toMatch(/warning: 1 signatures of .*signed\/app:v1 have no place there/);
    }
  });

  it("in OpenPGP into files, not into a registry", async () => {
    const image = { "docker-manifest-digest": digest };
    const critical = { type: "atomic container signature", image, identity: { "docker-reference": signed } };
    const keyData = gpg.publicKey(openPgpKey).toString("base64");
    const signedIdentity = { type: "exactReference", dockerReference: signed };
    const home = makeTrustHome({ default: [{ type: "signedBy", keyType: "GPGKeys", keyData, signedIdentity }] });
    home.place("signed/app", digest, 1, gpg.sign(openPgpKey, JSON.stringify({ critical, optional: {} })));
    const [layout, directory] = [`oci:${fresh()}:v1`, `dir:${fresh()}`];
    expect((await copy(home, signed, layout)).answer).toMatchObject({ signatures: 2 });
    expect((await copy(home, layout, directory)).answer).toMatchObject({ signatures: 2 });
    expect(await home.skopeo(directory)).toEqual({ accepted: true, said: "" });
    expect((await copy(home, directory, `${registry.host}/openpgp:v1`)).answer).toMatchObject({
      signatures: 1,
      left: 1,
    });
  });
});

it("a directory has nothing of the image that was there before, and keeps what is of no image", async () => {
  const home = makeTrustHome({ default: [accept] }, attached);
  const target = fresh();
  await mkdir(target);
  expect((await copy(home, signed, `dir:${target}`)).status).toBe(0);
  await writeFile(join(target, "notes"), "mine");
  const other = await shelf.build({ layers: [{ other: "1" }] });
  expect((await copy(home, other.reference, `dir:${target}`)).status).toBe(0);
  const { config, layers } = JSON.parse(await run("skopeo", "inspect", "--raw", other.reference));
  const blobs = [config, ...layers].map((blob: { digest: string }) => blob.digest.slice(7));
  expect((await readdir(target)).sort()).toEqual([...blobs, "manifest.json", "notes", "version"].sort());
});
