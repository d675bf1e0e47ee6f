import { describe, expect, it } from "vitest";
import { parseIdentity } from "../../src/trust/identity.ts";
import { parseName } from "../../src/trust/name.ts";
import { payloadProblem } from "../../src/trust/payload.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const other = `sha256:${"b".repeat(64)}` as const;

function payload(reference: string, of: string = digest, type = "atomic container signature"): object {
  const critical = { type, image: { "docker-manifest-digest": of }, identity: { "docker-reference": reference } };
  return { critical, optional: {} };
}

function problem(
  written: unknown,
  { image = "host/a/b:v1", identity = undefined as unknown, kind = "openpgp" as "openpgp" | "sigstore" } = {},
): string | undefined {
  const bytes = Buffer.from(typeof written === "string" ? written : JSON.stringify(written));
  const name = image === "" ? undefined : parseName(image);
  return payloadProblem(bytes, kind, { digest, name, identity: parseIdentity(identity, "signedIdentity") });
}

describe("a payload is for the image", () => {
  const remap = { type: "remapIdentity", prefix: "mirror.local/vendor", signedPrefix: "vendor.example" };
  it.each<[string, string, unknown, boolean]>([
    ["host.x/a/b:v1", "host.x/a/b:v1", undefined, true],
    ["host.x/a/b:v1", "host.x/a/b:v2", undefined, false],
    ["host.x/a/b:v1", "host.x/a/b", undefined, false],
    ["host.x/a/b:v1", "host.x/a/c:v1", undefined, false],
    ["host.x/a/b:v1", "host.x:5000/a/b:v1", undefined, false],
    [`host.x/a/b@${digest}`, "host.x/a/b:v7", undefined, true],
    [`host.x/a/b@${digest}`, "host.x/a/c:v7", undefined, false],
    [`host.x/a/b@${digest}`, "host.x/a/b", undefined, false],
    ["docker.io/library/busybox:1", "busybox:1", undefined, true],
    ["docker.io/team/busybox:1", "docker.io/busybox:1", undefined, false],
    ["host.x/a/b:v1", "host.x/a/b:v1", { type: "matchExact" }, true],
    [`host.x/a/b@${digest}`, "host.x/a/b:v1", { type: "matchExact" }, false],
    [`host.x/a/b@${digest}`, `host.x/a/b@${digest}`, { type: "matchExact" }, true],
    ["host.x/a/b:v1", "host.x/a/b:v9", { type: "matchRepository" }, true],
    ["host.x/a/b:v1", "host.x/a/b", { type: "matchRepository" }, true],
    ["host.x/a/b:v1", "host.x/a/bc", { type: "matchRepository" }, false],
    ["host.x/a/b:v1", "pub.x/z:3", { type: "exactReference", dockerReference: "pub.x/z:3" }, true],
    ["host.x/a/b:v1", "pub.x/z:4", { type: "exactReference", dockerReference: "pub.x/z:3" }, false],
    ["host.x/a/b:v1", "pub.x/z:4", { type: "exactRepository", dockerRepository: "pub.x/z" }, true],
    ["host.x/a/b:v1", "pub.x/y:4", { type: "exactRepository", dockerRepository: "pub.x/z" }, false],
    ["", "pub.x/z:4", { type: "exactRepository", dockerRepository: "pub.x/z" }, true],
    ["", "pub.x/z:4", undefined, false],
    ["", "pub.x/z:4", { type: "matchRepository" }, false],
    ["mirror.local/vendor/a:1", "vendor.example/a:1", remap, true],
    ["mirror.local/vendor/a:1", "vendor.example/a:2", remap, false],
    ["mirror.local/vendor/a:1", "mirror.local/vendor/a:1", remap, false],
    ["mirror.local/vendors/a:1", "mirror.local/vendors/a:1", remap, true],
    [`mirror.local/vendor/a@${digest}`, "vendor.example/a:9", remap, true],
    ["host.x/a/b:v1", "HOST.x/a/B:v1", undefined, false],
    ["host.x/a/b:v1", "", { type: "matchRepository" }, false],
  ])("%s signed as %s, by %j: %s", (image, signed, identity, good) => {
    const why = problem(payload(signed), { image, identity });
    if (good) expect(why).toBeUndefined();
    else expect(why).toMatch(/for another image|without image names|not a text/);
  });

  it("not when its digest is another", () => {
    expect(problem(payload("host/a/b:v1", other))).toBe(`the signature is for another digest, ${other}`);
  });
});

describe("a payload is void", () => {
  const good = payload("host/a/b:v1");
  const critical = "critical" in good ? (good.critical as object) : {};
  it.each<[string, unknown]>([
    ["that is not JSON", "hi"],
    ["that is not UTF-8", "\ud800"],
    ["with a member beside critical and optional", { ...good, more: 1 }],
    ["without optional", { critical }],
    ["whose optional is null", { ...good, optional: null }],
    ["with an unknown critical member", { ...good, critical: { ...critical, level: 2 } }],
    ["of another type", payload("host/a/b:v1", digest, "cosign container image signature")],
    [
      "with a second way to name the image",
      { ...good, critical: { ...critical, image: { "docker-manifest-digest": digest, x: 1 } } },
    ],
    ["without an identity", { ...good, critical: { ...critical, identity: {} } }],
    ["with a member twice", JSON.stringify(good).replace('"optional":{}', '"optional":{"a":1,"a":2}')],
    ["with a digest that is a number", { ...good, critical: { ...critical, image: { "docker-manifest-digest": 1 } } }],
  ])("%s", (_, written) => {
    expect(problem(written, { image: "host/a/b:v1" })).toMatch(/not well formed/);
  });

  it("cosign may leave optional null, and has a type of its own", () => {
    const written = { ...payload("host/a/b:v1", digest, "cosign container image signature"), optional: null };
    expect(problem(written, { image: "docker.io/host/a/b:v1", kind: "sigstore" })).toBeUndefined();
    expect(problem(good, { kind: "sigstore" })).toMatch(/not well formed/);
  });
});
