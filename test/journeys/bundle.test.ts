import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attachInRegistry } from "../bed/attachments.ts";
import { openBundle } from "../bed/bundle.ts";
import { etcdLike } from "../bed/etcd-like.ts";
import { openGpg } from "../bed/gpg.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import { cosignPayload, cosignSign, makeKeyPair } from "../bed/sigstore.ts";

const shelf = openShelf();
const gpg = openGpg();
const key = gpg.makeKey("one@example.com");
const pair = makeKeyPair();
const stranger = makeKeyPair();
const tls = "--tls-verify=false";

let scratch: string;
let registry: TestRegistry;
let etcd: TestImage;
let next: TestImage;
let digests: { readonly etcd: string; readonly next: string };
/** Two images of a registry that is gone by now, one signed with OpenPGP and one in cosign's form. */
let file: string;
let names: { readonly etcd: string; readonly next: string };

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function write(host: Host, path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), content);
}

/** Signs v1 in the lookaside of the host that bundles, and v2 in the registry. */
async function signImages(host: Host): Promise<void> {
  const image = { "docker-manifest-digest": digests.etcd };
  const identity = { "docker-reference": names.etcd };
  const text = JSON.stringify({ critical: { type: "atomic container signature", image, identity }, optional: {} });
  const place = `/var/lib/containers/sigstore/team/etcd@${digests.etcd.replace(":", "=")}`;
  await write(host, `${place}/signature-1`, gpg.sign(key, text));
  const payload = cosignPayload(digests.next, `${registry.host}/team/etcd`);
  await attachInRegistry(registry.host, "team/etcd", digests.next, [cosignSign(payload, pair)]);
}

/** A host that has never seen the registry, whose policy lets in what one of two keys has signed, and nothing else. */
async function strictHost(cosignKey = pair.publicKey, openPgpKey = key): Promise<Host> {
  const host = await makeHost();
  const keyData = gpg.publicKey(openPgpKey).toString("base64");
  const sigstore = { type: "sigstoreSigned", keyData: Buffer.from(cosignKey).toString("base64") };
  const transports = {
    docker: {
      [`${registry.host}/team/etcd:v1`]: [{ type: "signedBy", keyType: "GPGKeys", keyData }],
      [`${registry.host}/team/etcd:v2`]: [{ ...sigstore, signedIdentity: { type: "matchRepository" } }],
    },
  };
  await write(host, "/etc/containers/policy.json", JSON.stringify({ default: [{ type: "reject" }], transports }));
  return host;
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-bundle-"));
  [registry, etcd, next] = await Promise.all([
    startRegistry(),
    shelf.build({ layers: [etcdLike(), { "usr/share/large": "x".repeat(3_000_000) }] }),
    shelf.build({ layers: [etcdLike(), { "usr/share/next": "2\n" }] }),
  ]);
  names = { etcd: `${registry.host}/team/etcd:v1`, next: `${registry.host}/team/etcd:v2` };
  await push(etcd.reference, names.etcd, { unchanged: true });
  await push(next.reference, names.next, { unchanged: true });
  digests = { etcd: await topDigest(etcd), next: await topDigest(next) };
});

afterAll(() => Promise.all([registry.stop(), rm(scratch, { recursive: true })]));

describe("bundle", () => {
  it("writes images with all their signatures, the same bytes for the same images", async () => {
    const host = await makeHost();
    await signImages(host);
    await host.answer("install", tls, "--name", "etcd", names.etcd);
    file = join(scratch, "bundle.tar");
    const said = await host.answer("bundle", tls, "-o", file, "etcd", `docker://${names.next}`);
    expect(said).toMatchObject({
      bundle: file,
      size: (await readFile(file)).length,
      images: [
        { reference: names.etcd, digest: digests.etcd, signatures: 1 },
        { reference: names.next, digest: digests.next, signatures: 1 },
      ],
    });
    const again = join(scratch, "again.tar");
    await host.answer("bundle", tls, "--output", again, names.next, names.etcd, names.etcd);
    expect(sha256(await readFile(again))).toBe(sha256(await readFile(file)));
    const listed = await run("tar", "--numeric-owner", "--full-time", "-tvf", file);
    const rows = listed.trim().split("\n");
    expect(rows.every((row) => /^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00:00 /.test(row))).toBe(true);
    const paths = rows.map((row) => row.split(" ").at(-1));
    expect(paths).toEqual(paths.toSorted());
  });

  it("is an archive that skopeo reads, digests equal", async () => {
    for (const name of ["etcd", "next"] as const) {
      const target = await mkdtemp(join(scratch, "copy-"));
      await run("skopeo", "copy", "-q", "--preserve-digests", `oci-archive:${file}:${names[name]}`, `dir:${target}`);
      expect(`sha256:${sha256(await readFile(join(target, "manifest.json")))}`).toBe(digests[name]);
    }
  });

  it("is refused for what the policy does not let in, and for two images of one name; then no file is written", async () => {
    const host = await strictHost();
    const output = join(scratch, "refused.tar");
    expect((await host.refused(12, "bundle", tls, "-o", output, names.etcd)).code).toBe("E_POLICY");
    const { images } = await host.answer<{ images: readonly object[] }>(
      ...["bundle", tls, "--insecure-policy", "-o", `${output}.insecure`, names.etcd],
    );
    expect(images).toHaveLength(1);
    await run("cp", "-a", next.directory, join(scratch, "layout"));
    const other = await makeHost();
    const twice = [etcd.reference, `oci:${join(scratch, "layout")}`];
    expect((await other.refused(2, "bundle", "-o", output, ...twice)).code).toBe("E_USAGE");
    expect((await other.refused(1, "bundle", tls, "-o", output, `${registry.host}/absent:v1`)).code).toBe("E_REGISTRY");
    expect((await readdir(scratch)).filter((name) => name.includes("refused"))).toEqual(["refused.tar.insecure"]);
  });
});

describe("install --bundle, with no registry there any more", () => {
  beforeAll(() => registry.stop());

  it.each(["etcd", "next"] as const)("asks the policy with the signatures of the bundle (%s)", async (name) => {
    const host = await strictHost();
    const { verified, image, digest } = await host.answer<Record<string, unknown>>(
      ...["install", "--bundle", file, "--name", "etcd", names[name]],
    );
    const by = name === "etcd" ? [key] : [expect.stringMatching(/^key sha256:/)];
    expect({ verified, image, digest }).toEqual({
      verified: { kind: "signed", by },
      image: names[name],
      digest: digests[name],
    });
  });

  it("takes the last parts of a name, or none where there is one image, and says what there is", async () => {
    const host = await makeHost();
    const { message } = await host.refused(2, "install", "--bundle", file);
    expect(message).toContain(`${names.etcd}\n${names.next}`);
    expect((await host.refused(2, "install", "--bundle", file, "etcd")).code).toBe("E_REFERENCE");
    expect((await host.refused(2, "install")).code).toBe("E_USAGE");
    expect(await host.answer("install", "--bundle", file, "team/etcd:v1")).toMatchObject({ name: "etcd-v1" });
    const single = join(scratch, "single.tar");
    await host.answer("bundle", "-o", single, etcd.reference);
    expect(await host.answer("install", "--bundle", single)).toMatchObject({
      name: "layout",
      image: `oci-archive:${single}:layout:latest`,
    });
  });

  it("update takes a container to the image of its name in the bundle, and again there is nothing to do", async () => {
    const host = await strictHost();
    await host.answer("install", "--bundle", file, "--name", "etcd", "etcd:v1");
    const update = ["update", "--bundle", file] as const;
    expect((await host.keelson(...update, "etcd")).stdout).toMatch(/Latest version already installed/);
    const { digest } = await host.answer(...update, "--rebase", "etcd:v2", "--soak", "0s", "etcd");
    expect(digest).toBe(digests.next);
    expect((await host.refused(2, ...update, "--offline", "etcd")).code).toBe("E_USAGE");
  });

  it("an image that needs no signature by its name has to be let in as one of the archive, too", async () => {
    const host = await makeHost();
    const set = (archive: string): Promise<void> => {
      const transports = {
        docker: { [registry.host]: [{ type: "insecureAcceptAnything" }] },
        "oci-archive": { "": [{ type: archive }] },
      };
      return write(host, "/etc/containers/policy.json", JSON.stringify({ default: [{ type: "reject" }], transports }));
    };
    await set("reject");
    const { code, message } = await host.refused(12, "install", "--bundle", file, "etcd:v1");
    expect([code, message]).toEqual(["E_POLICY", expect.stringContaining(`oci-archive:${file}:${names.etcd}`)]);
    await set("insecureAcceptAnything");
    expect(await host.answer("install", "--bundle", file, "etcd:v1")).toMatchObject({ digest: digests.etcd });
  });
});

describe("a bundle that was tampered with leaves nothing, and the verdict is", () => {
  const rows: readonly (readonly [string, number, string, (bundle: Awaited<ReturnType<typeof openBundle>>) => void])[] =
    [
      ["a byte of a layer", 1, "E_DIGEST", (bundle) => bundle.flip(bundle.image(names.etcd).layers[1].digest, 1000)],
      ["a byte of a manifest", 1, "E_DIGEST", (bundle) => bundle.flip(digests.etcd, 40)],
      ["a byte of a configuration", 1, "E_DIGEST", (bundle) => bundle.flip(bundle.image(names.etcd).config.digest, 9)],
      ["a byte of a signature", 1, "E_DIGEST", (bundle) => bundle.flip(bundle.signatures(digests.etcd)[0].digest, 30)],
      ["a signature with new digests", 12, "E_POLICY", (bundle) => bundle.resign(digests.etcd)],
      ["a signature of another image", 12, "E_POLICY", (bundle) => bundle.swap(digests.etcd, digests.next)],
      ["no signature", 12, "E_POLICY", (bundle) => bundle.drop(digests.etcd)],
      ["another image under the name", 12, "E_POLICY", (bundle) => bundle.rename(names.next, names.etcd)],
    ];

  it.each(rows)("for %s status %i, %s", async (_, status, code, tamper) => {
    const bundle = await openBundle(file, join(scratch, "tampered.tar"));
    tamper(bundle);
    await bundle.write();
    const host = await strictHost();
    expect((await host.refused(status, "install", "--bundle", bundle.path, "etcd:v1")).code).toBe(code);
  });

  it("for the wrong keys E_POLICY", async () => {
    const host = await strictHost(stranger.publicKey, gpg.makeKey("two@example.com"));
    for (const name of [names.etcd, names.next]) {
      expect((await host.refused(12, "install", "--bundle", file, name)).code).toBe("E_POLICY");
    }
  });
});
