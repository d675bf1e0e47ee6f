import { describe, expect, it } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { parsePolicy, requirementsFor } from "../../src/trust/policy.ts";
import { placeOf } from "../../src/trust/scope.ts";

const accept = { type: "insecureAcceptAnything" };
const reject = { type: "reject" };
const key = { keyType: "GPGKeys", keyPath: "/k.gpg" };
const fulcio = { caPath: "/ca.pem", oidcIssuer: "https://issuer", subjectEmail: "a@b.c" };

function parse(policy: unknown): ReturnType<typeof parsePolicy> {
  return parsePolicy(Buffer.from(typeof policy === "string" ? policy : JSON.stringify(policy)));
}

/** A policy of which the one requirement for everything is this. */
function demanding(requirement: object): object {
  return { default: [requirement] };
}

describe("policy.json", () => {
  it.each<[string, unknown, RegExp]>([
    ["what is not JSON", "{", /not sound JSON/],
    [
      "a key that is there twice",
      '{"default": [{"type": "reject"}], "default": [{"type": "reject"}]}',
      /"default".*twice/,
    ],
    ["a repeated key deep inside", '{"default": [{"type": "reject", "\\u0074ype": "reject"}]}', /"type".*twice/],
    ["an unknown key", { default: [reject], other: 1 }, /unknown key "other"/],
    ["no default", { transports: {} }, /no default/],
    ["an empty list", { default: [] }, /default is empty/],
    ["an unknown type", demanding({ type: "accept" }), /default\[0\]: its type "accept"/],
    ["no type", demanding({}), /type is missing/],
    ["an unknown key of a requirement", demanding({ ...reject, why: "" }), /unknown key "why"/],
    ["signedBy without a key", demanding({ type: "signedBy", keyType: "GPGKeys" }), /keyPath, keyPaths, keyData/],
    ["signedBy with two keys", demanding({ type: "signedBy", ...key, keyData: "AAAA" }), /exactly one/],
    ["signedBy with another kind of key", demanding({ type: "signedBy", ...key, keyType: "X509CAs" }), /not GPGKeys/],
    ["no list of paths", demanding({ type: "signedBy", keyType: "GPGKeys", keyPaths: "/k" }), /not a list/],
    ["an empty list of paths", demanding({ type: "signedBy", keyType: "GPGKeys", keyPaths: [] }), /not a list/],
    ["what is not base64", demanding({ type: "sigstoreSigned", keyData: "?" }), /not base64/],
    ["fulcio without rekor", demanding({ type: "sigstoreSigned", fulcio }), /needs a Rekor key/],
    ["fulcio with an own key", demanding({ type: "sigstoreSigned", fulcio, keyPath: "/k" }), /exactly one/],
    [
      "fulcio without an e-mail",
      demanding({ type: "sigstoreSigned", fulcio: { ...fulcio, subjectEmail: "" } }),
      /subjectEmail/,
    ],
    ["pki without a subject", demanding({ type: "sigstoreSigned", pki: { caRootsPath: "/ca" } }), /neither/],
    [
      "an unknown identity",
      demanding({ type: "signedBy", ...key, signedIdentity: { type: "matchAll" } }),
      /signedIdentity: its type "matchAll"/,
    ],
    [
      "an exact reference without a tag",
      demanding({ type: "signedBy", ...key, signedIdentity: { type: "exactReference", dockerReference: "a.b/c" } }),
      /not a name with a tag/,
    ],
    [
      "an exact repository with a tag",
      demanding({ type: "signedBy", ...key, signedIdentity: { type: "exactRepository", dockerRepository: "a.b/c:1" } }),
      /not the name of a repository/,
    ],
    [
      "a remapping of a tag",
      demanding({
        type: "signedBy",
        ...key,
        signedIdentity: { type: "remapIdentity", prefix: "a.b/c@x", signedPrefix: "b" },
      }),
      /not a host, namespace or repository/,
    ],
    [
      "a relative path as scope",
      { default: [reject], transports: { oci: { "a/b": [accept] } } },
      /not an absolute path/,
    ],
    ["the root as scope", { default: [reject], transports: { dir: { "/": [accept] } } }, /write "" for all/],
    ["a path that is not clean", { default: [reject], transports: { "oci-archive": { "/a/../b": [accept] } } }, /\.\./],
    ["a path with a slash at its end", { default: [reject], transports: { oci: { "/a/": [accept] } } }, /empty parts/],
    [
      "a scope of docker-archive",
      { default: [reject], transports: { "docker-archive": { "/a": [accept] } } },
      /only ""/,
    ],
  ])("is refused for %s", (_, policy, why) => {
    expect(() => parse(policy)).toThrow(why);
  });

  it("may name transports that keelson does not know", () => {
    expect(parse({ default: [reject], transports: { atomic: { "host:5000": [accept] } } }).transports.size).toBe(1);
  });

  it("keeps every requirement with its keys and its identity", () => {
    const policy = parse({
      default: [
        { type: "signedBy", keyType: "GPGKeys", keyPaths: ["/a", "/b"] },
        { type: "signedBy", keyType: "GPGKeys", keyData: "aGk=", signedIdentity: { type: "matchRepository" } },
        { type: "sigstoreSigned", fulcio, rekorPublicKeyDatas: ["aGk=", "aG8="] },
      ],
    });
    expect(policy.default).toEqual([
      {
        kind: "signedBy",
        keys: [
          { kind: "path", path: "/a" },
          { kind: "path", path: "/b" },
        ],
        identity: { kind: "matchRepoDigestOrExact" },
      },
      { kind: "signedBy", keys: [{ kind: "data", data: Buffer.from("hi") }], identity: { kind: "matchRepository" } },
      {
        kind: "sigstoreSigned",
        trusted: {
          kind: "fulcio",
          roots: [{ kind: "path", path: "/ca.pem" }],
          oidcIssuer: "https://issuer",
          subjectEmail: "a@b.c",
        },
        rekor: [
          { kind: "data", data: Buffer.from("hi") },
          { kind: "data", data: Buffer.from("ho") },
        ],
        identity: { kind: "matchRepoDigestOrExact" },
      },
    ]);
  });
});

describe("of the scopes of an image", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const all = [
    "registry.example.com:5000/a/b:v1",
    `registry.example.com:5000/a/b@${digest}`,
    "registry.example.com:5000/a/b",
    "registry.example.com:5000/a",
    "registry.example.com:5000",
    "registry.example.com",
    "*.example.com",
    "*.com",
    "docker.io/library/busybox",
    "busybox",
    "",
  ];

  function chosen(reference: string, transport: string, scopes: readonly string[], path = ""): string {
    const policy = parse({
      default: [reject],
      transports: { [transport]: Object.fromEntries(scopes.map((scope) => [scope, [accept]])) },
    });
    return requirementsFor(policy, placeOf(parseReference(reference), path)).scope;
  }

  it.each([
    ["the tag is narrowest", "registry.example.com:5000/a/b:v1", all, "docker registry.example.com:5000/a/b:v1"],
    [
      "so is the digest",
      `registry.example.com:5000/a/b@${digest}`,
      all,
      `docker registry.example.com:5000/a/b@${digest}`,
    ],
    ["then comes the repository", "registry.example.com:5000/a/b:v2", all, "docker registry.example.com:5000/a/b"],
    ["then its namespace", "registry.example.com:5000/a/c:v1", all, "docker registry.example.com:5000/a"],
    ["then the host with its port", "registry.example.com:5000/b", all, "docker registry.example.com:5000"],
    ["a wildcard leaves out the port", "other.example.com:5000/b", all, "docker *.example.com"],
    ["a wider wildcard is for deeper names too", "a.b.c.com/d", all, "docker *.com"],
    ["a wildcard is not for the domain itself", "example.com/d", ["*.example.com"], "default"],
    ["the host without its port is another host", "registry.example.com:5000/b", ["registry.example.com"], "default"],
    ["a prefix ends at a slash", "registry.example.com:5000/ab", ["registry.example.com:5000/a"], "default"],
    ["names are written out", "docker.io/busybox", all, "docker docker.io/library/busybox"],
    ["the transport's default comes next", "quay.io/a", [""], "docker"],
    ["the default comes last", "quay.io/a", [], "default"],
  ])("%s", (_, reference, scopes, expected) => {
    expect(chosen(reference, "docker", scopes)).toBe(expected);
  });

  it.each([
    ["containers-storage:busybox@abc", "[overlay@/s]docker.io/library/busybox:latest@abc"],
    ["containers-storage:busybox@abc", "[overlay@/s]docker.io/library/busybox:latest"],
    ["containers-storage:busybox", "[overlay@/s]docker.io/library/busybox"],
    ["containers-storage:busybox", "[overlay@/s]docker.io/library"],
    ["containers-storage:busybox", "[overlay@/s]"],
    ["containers-storage:busybox", "[/s]"],
    ["containers-storage:@abc", "[overlay@/s]@abc"],
    ["containers-storage:@abc", "[/s]"],
  ])("%s is looked up in its store under %s", (reference, scope) => {
    const found = chosen(reference, "containers-storage", [scope], "overlay@/s");
    expect(found).toBe(`containers-storage ${scope}`);
    expect(chosen(reference, "containers-storage", [scope], "overlay@/other")).toBe("default");
  });

  it.each([
    ["docker-daemon:busybox", ["docker.io/library/busybox:latest"], "docker-daemon docker.io/library/busybox:latest"],
    ["docker-daemon:a.example.com:5/b", ["*.example.com"], "docker-daemon *.example.com"],
    [`docker-daemon:${digest}`, ["docker.io", ""], "docker-daemon"],
  ])("%s is looked up by its whole name", (reference, scopes, expected) => {
    expect(chosen(reference, "docker-daemon", scopes)).toBe(expected);
  });

  it.each([
    ["oci:/images/etcd:v1", "oci", ["/images/etcd", "/images"], "/images/etcd", "oci /images/etcd"],
    ["oci:/images/etcd", "oci", ["/images"], "/images/etcd", "oci /images"],
    ["oci:/link", "oci", ["/link", "/real"], "/real/etcd", "oci /real"],
    ["oci:/images2/etcd", "oci", ["/images"], "/images2/etcd", "default"],
    ["oci-archive:/images/a.tar:v1", "oci-archive", ["/images/a.tar"], "/images/a.tar", "oci-archive /images/a.tar"],
    ["oci-archive:/images/a.tar", "oci", ["/images/a.tar"], "/images/a.tar", "default"],
    ["docker-archive:/images/a.tar", "docker-archive", [""], "/images/a.tar", "docker-archive"],
  ])("%s is looked up by its path under %s", (reference, transport, scopes, path, expected) => {
    expect(chosen(reference, transport, scopes, path)).toBe(expected);
  });
});
