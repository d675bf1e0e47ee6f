import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGpg } from "../bed/gpg.ts";
import { buildImage, push, type TestImage, topDigest } from "../bed/images.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { makeTrustHome, type TrustHome } from "../bed/trust.ts";
import { judged, signerOf } from "./judged.ts";

const gpg = openGpg();
const one = gpg.makeKey("one@example.com");
const two = gpg.makeKey("two@example.com");
const longAgo = ["--faked-system-time", "20200101T000000"];
const expired = gpg.makeKey("expired@example.com", "1y", ...longAgo);
const other = `sha256:${"b".repeat(64)}`;

let registry: TestRegistry;
let image: TestImage;
let digest: string;

beforeAll(async () => {
  [registry, image] = await Promise.all([startRegistry(), buildImage({ layers: [{ file: "content" }] })]);
  await push(image.reference, `${registry.host}/team/app:v1`);
  digest = await topDigest(image);
});

afterAll(() => Promise.all([registry.stop(), image.remove()]));

/**
 * What keelson says of the reference, where skopeo has to come to the same end: who signed, "" for an image that needs no
 * signature, or why not.
 */
async function agreed(reference: string, home: TrustHome): Promise<string> {
  const [verdict, skopeo] = [await judged(reference, home.places), await home.skopeo(reference)];
  expect(typeof verdict !== "string", `keelson: ${JSON.stringify(verdict)}; skopeo: ${skopeo.said}`).toBe(
    skopeo.accepted,
  );
  return signerOf(verdict);
}

const accept = { type: "insecureAcceptAnything" };
const reject = { type: "reject" };

function signedBy(fingerprint: string, more: object = {}): object {
  const keyData = gpg.publicKey(fingerprint).toString("base64");
  return { type: "signedBy", keyType: "GPGKeys", keyData, ...more };
}

function claim(reference: string, of = digest): string {
  const type = "atomic container signature";
  const critical = { type, image: { "docker-manifest-digest": of }, identity: { "docker-reference": reference } };
  return JSON.stringify({ critical, optional: {} });
}

describe("an OpenPGP signature in a lookaside", () => {
  const app = (): string => `${registry.host}/team/app:v1`;
  const tampered = (message: Buffer): Buffer => {
    message[message.indexOf("team/app")] = 0x54;
    return message;
  };
  const rows: readonly (readonly [string, () => object, () => readonly Buffer[], RegExp])[] = [
    ["by the right key", () => signedBy(one), () => [gpg.sign(one, claim(app()))], new RegExp(`^${one}$`)],
    ["by another key", () => signedBy(one), () => [gpg.sign(two, claim(app()))], /not one of the policy's/],
    ["that is not there", () => signedBy(one), () => [], /signedBy: no signature/],
    ["of another digest", () => signedBy(one), () => [gpg.sign(one, claim(app(), other))], /another digest/],
    [
      "of another repository",
      () => signedBy(one),
      () => [gpg.sign(one, claim(`${registry.host}/team/apps:v1`))],
      /another image, .*\/team\/apps:v1/,
    ],
    [
      "of another tag",
      () => signedBy(one),
      () => [gpg.sign(one, claim(`${registry.host}/team/app:v2`))],
      /another image/,
    ],
    [
      "of another tag, where the repository is enough",
      () => signedBy(one, { signedIdentity: { type: "matchRepository" } }),
      () => [gpg.sign(one, claim(`${registry.host}/team/app:v2`))],
      new RegExp(`^${one}$`),
    ],
    [
      "of the public name of a mirror",
      () =>
        signedBy(one, {
          signedIdentity: { type: "remapIdentity", prefix: registry.host, signedPrefix: "registry.example.com" },
        }),
      () => [gpg.sign(one, claim("registry.example.com/team/app:v1"))],
      new RegExp(`^${one}$`),
    ],
    [
      "that was changed",
      () => signedBy(one),
      () => [tampered(gpg.sign(one, claim(app()), "--compress-algo", "none"))],
      /changed after it was signed/,
    ],
    [
      "by a key that has expired",
      () => signedBy(expired),
      () => [gpg.sign(expired, claim(app()), ...longAgo)],
      /the key has expired/,
    ],
    [
      "by the right key after one by another",
      () => signedBy(one),
      () => [gpg.sign(two, claim(app())), gpg.sign(one, claim(app()))],
      new RegExp(`^${one}$`),
    ],
    ["that is no signature", () => signedBy(one), () => [Buffer.from("hello")], /signature-1 is not a signature/],
    [
      "with an unknown critical member",
      () => signedBy(one),
      () => [gpg.sign(one, claim(app()).replace('"type"', '"x":1,"type"'))],
      /not well formed/,
    ],
  ];

  it.each(rows)("%s gets the verdict that skopeo gives", async (_, requirement, signatures, expected) => {
    const home = makeTrustHome({ default: [reject], transports: { docker: { [registry.host]: [requirement()] } } });
    for (const [index, signature] of signatures().entries()) home.place("team/app", digest, index + 1, signature);
    expect(await agreed(`docker://${app()}`, home)).toMatch(expected);
  });

  it("may carry a tag where the image is asked for by digest", async () => {
    const home = makeTrustHome({ default: [signedBy(one)] });
    home.place("team/app", digest, 1, gpg.sign(one, claim(app())));
    expect(await agreed(`docker://${registry.host}/team/app@${digest}`, home)).toBe(one);
  });

  it("is wanted for each requirement", async () => {
    const home = makeTrustHome({ default: [accept, signedBy(one), signedBy(two)] });
    home.place("team/app", digest, 1, gpg.sign(one, claim(app())));
    expect(await agreed(`docker://${app()}`, home)).toMatch(/default, signedBy: .*not one of the policy's/);
    home.place("team/app", digest, 2, gpg.sign(two, claim(app())));
    expect(await agreed(`docker://${app()}`, home)).toBe(`${one} ${two}`);
  });
});

describe("a policy without keys", () => {
  const scoped = (scopes: Readonly<Record<string, object[]>>): object => ({
    default: [reject],
    transports: {
      docker: Object.fromEntries(Object.entries(scopes).map(([key, value]) => [`${registry.host}${key}`, value])),
    },
  });

  it.each<[string, () => object, RegExp]>([
    ["accepts", () => ({ default: [accept] }), /^$/],
    ["rejects by default", () => ({ default: [reject] }), /default: rejected by policy/],
    ["rejects though it accepts, too", () => ({ default: [accept, reject] }), /rejected by policy/],
    [
      "rejects a registry",
      () => ({ ...scoped({ "": [reject] }), default: [accept] }),
      /docker 127\.0\.0\.1:\d+: rejected/,
    ],
    ["accepts a registry", () => scoped({ "": [accept] }), /^$/],
    ["accepts a repository of a rejected namespace", () => scoped({ "/team": [reject], "/team/app": [accept] }), /^$/],
    [
      "rejects a tag of an accepted repository",
      () => scoped({ "/team/app": [accept], "/team/app:v1": [reject] }),
      /:v1: rejected/,
    ],
    ["accepts a transport", () => ({ default: [reject], transports: { docker: { "": [accept] } } }), /^$/],
    [
      "knows other transports' scopes from this one's",
      () => ({ default: [reject], transports: { oci: { "": [accept] } } }),
      /default: rejected/,
    ],
  ])("%s as skopeo does", async (_, policy, expected) => {
    expect(await agreed(`docker://${registry.host}/team/app:v1`, makeTrustHome(policy()))).toMatch(expected);
  });
});
