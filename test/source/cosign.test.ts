import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attachInLayout, attachInRegistry } from "../bed/attachments.ts";
import { buildImage, push, type TestImage, topDigest } from "../bed/images.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";
import {
  cosignPayload,
  cosignSign,
  type KeyPair,
  keylessSign,
  makeAuthority,
  makeKeyPair,
  type SigstoreSignature,
} from "../bed/sigstore.ts";
import { makeTrustHome } from "../bed/trust.ts";
import { judged, signerOf } from "./judged.ts";
import { pull } from "./pull.ts";

const key = makeKeyPair();
const stranger = makeKeyPair();
const log = makeKeyPair();
const other = `sha256:${"b".repeat(64)}`;

let scratch: string;
let registry: TestRegistry;
let image: TestImage;
let digest: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-cosign-"));
  [registry, image] = await Promise.all([startRegistry(), buildImage({ layers: [{ file: "content" }] })]);
  digest = await topDigest(image);
  await writeFile(join(scratch, "key.pub"), key.publicKey);
  await writeFile(join(scratch, "log.pub"), log.publicKey);
});

afterAll(() => Promise.all([registry.stop(), image.remove(), rm(scratch, { recursive: true })]));

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function requirement(more: object): object {
  return { default: [{ type: "sigstoreSigned", signedIdentity: { type: "matchRepository" }, ...more }] };
}

const attached = { "use-sigstore-attachments": true };

describe("of signatures that are attached in a registry", () => {
  /** Pushes the image under a name of its own with these signatures. */
  async function pushed(name: string, sign: (repository: string) => readonly SigstoreSignature[]): Promise<string> {
    const repository = `${registry.host}/cosign/${name}`;
    await push(image.reference, `${repository}:v1`);
    const signatures = sign(repository);
    if (signatures.length > 0) await attachInRegistry(registry.host, `cosign/${name}`, digest, signatures);
    return `${repository}:v1`;
  }

  it.each<[string, (repository: string) => readonly SigstoreSignature[], RegExp]>([
    ["right", (name) => [cosignSign(cosignPayload(digest, name), key)], /^key sha256:[0-9a-f]{64}$/],
    [
      "wrong-key",
      (name) => [cosignSign(cosignPayload(digest, name), stranger)],
      /signed by a key that is not the policy's/,
    ],
    ["none", () => [], /sigstoreSigned: no signature/],
    ["other-digest", (name) => [cosignSign(cosignPayload(other, name), key)], /another digest/],
    ["other-repository", (name) => [cosignSign(cosignPayload(digest, `${name}x`), key)], /another image/],
    ["second", (name) => [stranger, key].map((one) => cosignSign(cosignPayload(digest, name), one)), /^key sha256:/],
    [
      "tampered",
      (name) => [
        { ...cosignSign(cosignPayload(digest, name), key), payload: Buffer.from(`${cosignPayload(digest, name)} `) },
      ],
      /payload was changed/,
    ],
  ])("%s", async (name, sign, expected) => {
    const reference = await pushed(name, sign);
    const home = makeTrustHome(requirement({ keyPath: join(scratch, "key.pub") }), attached);
    expect(signerOf(await judged(reference, home.places))).toMatch(expected);
    // Unless registries.d says so, nothing that is attached is looked at.
    const without = makeTrustHome(requirement({ keyPath: join(scratch, "key.pub") }));
    expect(signerOf(await judged(reference, without.places))).toMatch(/no signature/);
  });

  it("a logged one counts where the log's key is given, and keyless ones by who signed", async () => {
    const authority = makeAuthority();
    const time = new Date(Date.now() + 60_000);
    const late = new Date(Date.now() + 3 * 24 * 3600 * 1000);
    const fulcio = {
      caData: base64(authority.root),
      oidcIssuer: "https://issuer.example",
      subjectEmail: "me@example.com",
    };
    const rekor = { rekorPublicKeyPath: join(scratch, "log.pub") };
    const keyless = makeTrustHome(requirement({ fulcio, ...rekor }), attached);
    const logged = makeTrustHome(
      requirement({ keyDatas: [stranger, key].map(({ publicKey }) => base64(publicKey)), ...rekor }),
      attached,
    );
    const entry = { key: log.privateKey, time };
    const signer = authority.issue("me@example.com");
    const good = await pushed("keyless", (name) => [
      keylessSign(cosignPayload(digest, name), signer, { ...entry, time: late }),
      keylessSign(cosignPayload(digest, name), signer, entry),
      cosignSign(cosignPayload(digest, name), key, entry),
    ]);
    expect(signerOf(await judged(good, keyless.places))).toBe("me@example.com (https://issuer.example)");
    expect(signerOf(await judged(good, logged.places))).toMatch(/^key sha256:/);
    const bad = await pushed("keyless-late", (name) => [
      keylessSign(cosignPayload(digest, name), signer, { ...entry, time: late }),
      cosignSign(cosignPayload(digest, name), key),
    ]);
    expect(signerOf(await judged(bad, keyless.places))).toMatch(/not valid when it signed, .*; it has no annotation/);
    expect(signerOf(await judged(bad, logged.places))).toMatch(/no annotation dev\.sigstore\.cosign\/bundle/);
  });
});

describe("of signatures in a layout", () => {
  const named = (signers: readonly KeyPair[]): readonly SigstoreSignature[] =>
    signers.map((signer) => cosignSign(cosignPayload(digest, "registry.example.com/app"), signer));
  const policy = (): object =>
    requirement({
      keyPath: join(scratch, "key.pub"),
      signedIdentity: { type: "exactRepository", dockerRepository: "registry.example.com/app" },
    });

  async function signedLayout(signers: readonly KeyPair[], form: "tag" | "referrer", of = digest): Promise<string> {
    const directory = await mkdtemp(join(scratch, "layout-"));
    await cp(image.directory, directory, { recursive: true });
    attachInLayout(directory, of, named(signers), form);
    return directory;
  }

  it.each(["tag", "referrer"] as const)("those found by %s count, in a directory and in an archive", async (form) => {
    const directory = await signedLayout([stranger, key], form);
    const tar = `${directory}.tar`;
    await run("tar", "-C", directory, "-cf", tar, ".");
    for (const reference of [`oci:${directory}:latest`, `oci-archive:${tar}:latest`])
      expect(signerOf(await judged(reference, makeTrustHome(policy()).places)), reference).toMatch(/^key sha256:/);
  });

  it("the tag of a signature is no image: the one image needs no tag", async () => {
    const directory = await signedLayout([key], "tag");
    expect((await pull(`oci:${directory}`)).digest).toBe(digest);
  });

  it("another key's, and another image's, do not count", async () => {
    const { places } = makeTrustHome(policy());
    const wrong = await signedLayout([stranger], "tag");
    expect(signerOf(await judged(`oci:${wrong}:latest`, places))).toMatch(/not the policy's/);
    for (const form of ["tag", "referrer"] as const) {
      const foreign = await signedLayout([key], form, other);
      expect(signerOf(await judged(`oci:${foreign}:latest`, places))).toMatch(/no signature/);
    }
  });

  it("a policy that goes by the image's name cannot be met", async () => {
    const directory = await signedLayout([key], "tag");
    const { places } = makeTrustHome(requirement({ keyPath: join(scratch, "key.pub") }));
    expect(signerOf(await judged(`oci:${directory}:latest`, places))).toMatch(/without image names .* matchRepository/);
  });
});
