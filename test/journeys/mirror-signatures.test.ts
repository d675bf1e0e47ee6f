import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { attachmentOf } from "../bed/attachments.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { cosignPayload, cosignSign, type KeyPair, makeKeyPair } from "../bed/sigstore.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";
import { addBlob, addImage, type FakeRegistry, refuse, startFakeRegistry } from "../fakes/registry.ts";

const layer = tarArchive(tarEntry({ name: "file" }, "content"));
const key = makeKeyPair();
const stranger = makeKeyPair();
const name = "registry.example/team/app";
let mirror: FakeRegistry;
let origin: FakeRegistry;
let host: Host;

beforeEach(async () => {
  [mirror, origin, host] = await Promise.all([startFakeRegistry(), startFakeRegistry(), makeHost()]);
  for (const fake of [mirror, origin]) addImage(fake, "latest", gzipSync(layer), layer);
  const keyData = Buffer.from(key.publicKey).toString("base64");
  const docker = {
    "registry.example/team": [{ type: "sigstoreSigned", keyData, signedIdentity: { type: "matchRepository" } }],
  };
  const files = {
    "policy.json": JSON.stringify({ default: [{ type: "reject" }], transports: { docker } }),
    "registries.d/default.yaml": "default-docker:\n  use-sigstore-attachments: true\n",
    "registries.conf": `
      [[registry]]
      prefix = "registry.example"
      location = "${origin.host}"
      insecure = true
      [[registry.mirror]]
      location = "${mirror.host}/mirror"
      insecure = true
    `,
  };
  for (const [file, text] of Object.entries(files)) host.write(`/etc/containers/${file}`, text);
});

afterEach(() => Promise.all([mirror.stop(), origin.stop()]));

/** Attaches a signature of the image under `reference` in a registry. */
function sign(fake: FakeRegistry, by: KeyPair, reference = name): void {
  const digest = digestOf(fake.manifests.get("latest")?.bytes ?? Buffer.alloc(0));
  const { manifest, blobs } = attachmentOf([cosignSign(cosignPayload(digest, reference), by)]);
  for (const blob of blobs) addBlob(fake, "application/octet-stream", blob);
  const type = "application/vnd.oci.image.manifest.v1+json";
  fake.manifests.set(`${digest.replace(":", "-")}.sig`, { type, bytes: manifest });
}

/** What info says of the image once it is pulled. */
async function pulled(): Promise<unknown> {
  const { id } = await host.answer("pull", name);
  return host.answer("info", id.slice(7, 19));
}

const signatureAsked = (fake: FakeRegistry): boolean => fake.requests.some(({ path }) => path.endsWith(".sig"));

it("a signature beside the image in a mirror counts, by the name the image was asked for", async () => {
  sign(mirror, key);
  expect(await pulled()).toMatchObject({ verified: { kind: "signed" } });
  expect([signatureAsked(mirror), origin.requests.length]).toEqual([true, 0]);
});

it("the place behind the mirror is asked for a signature that the mirror has not, or will not give", async () => {
  sign(origin, key);
  mirror.fault = (request, response) => request.url?.endsWith(".sig") === true && refuse(response, 403, "DENIED");
  expect(await pulled()).toMatchObject({ verified: { kind: "signed" } });
  expect(origin.requests.some(({ path }) => path.endsWith("/manifests/latest"))).toBe(false);
});

it.each([
  ["by another key", () => sign(mirror, stranger)],
  ["of the mirror's name", () => sign(mirror, key, `${mirror.host}/mirror/team/app`)],
  ["that is nowhere", () => undefined],
])("a signature %s lets nothing in, and no layer is fetched", async (_, attach) => {
  attach();
  expect(await host.refused(12, "pull", name)).toMatchObject({ code: "E_POLICY" });
  const blob = `/blobs/${digestOf(gzipSync(layer))}`;
  expect([...mirror.requests, ...origin.requests].filter(({ path }) => path.endsWith(blob))).toEqual([]);
});
