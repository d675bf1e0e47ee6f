import { afterAll, beforeAll, expect, it } from "vitest";
import { openGpg } from "../bed/gpg.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { runToEnd } from "../bed/journey.ts";
import { makeStorage, type TestStorage } from "../bed/storage.ts";
import { makeTrustHome, type TrustHome } from "../bed/trust.ts";
import { judged, signerOf } from "./judged.ts";

const gpg = openGpg();
const one = gpg.makeKey("one@example.com");
const two = gpg.makeKey("two@example.com");
const name = "registry.example/team/app:v1";
let storage: TestStorage;
let image: TestImage;
let other: TestImage;

beforeAll(async () => {
  [storage, image] = await Promise.all([makeStorage(), buildImage({ layers: [{ file: "content" }] })]);
  const target = `${storage.prefix}${name}`;
  const env = { ...process.env, GNUPGHOME: gpg.home };
  const signed = await runToEnd("skopeo", ["copy", "-q", "--sign-by", one, image.reference, target], { env });
  if (signed.status !== 0) throw new Error(signed.stderr);
  // The same image would come in without its signature, in place of the one with it.
  other = await buildImage({ layers: [{ file: "other" }] });
  await storage.add(other.reference, "registry.example/team/unsigned");
  await storage.add(other.reference, "localhost/unsigned");
});

afterAll(() => Promise.all([image.remove(), other.remove(), storage.remove()]));

function home(key: string): TrustHome {
  const keyData = gpg.publicKey(key).toString("base64");
  const requirement = { type: "signedBy", keyType: "GPGKeys", keyData };
  const scope = `[overlay@${storage.root}]registry.example/team`;
  return makeTrustHome({
    default: [{ type: "reject" }],
    transports: { "containers-storage": { [scope]: [requirement] } },
  });
}

it.each([
  ["with a signature by the right key is let in", () => one, name, () => one],
  ["with one by another key is refused", () => two, name, () => "refused"],
  ["without one is refused", () => one, "registry.example/team/unsigned", () => "refused"],
  ["outside the scope is refused", () => one, "localhost/unsigned", () => "refused"],
])("an image of a store %s", async (_, key, reference, expected) => {
  const place = home(key());
  const verdict = await judged(`${storage.prefix}${reference}`, place.places);
  const skopeo = await place.skopeo(`${storage.prefix}${reference}`);
  expect(skopeo.accepted, `${JSON.stringify(verdict)} ${skopeo.said}`).toBe(typeof verdict !== "string");
  expect(typeof verdict === "string" ? "refused" : signerOf(verdict)).toContain(expected());
});
