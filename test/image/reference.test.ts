import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Digest, digestOf, hexOf, parseDigest } from "../../src/image/digest.ts";
import {
  containerNameOf,
  formatReference,
  parseReference,
  parseRepository,
  type Reference,
  shortDigest,
} from "../../src/image/reference.ts";

const digest: Digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const registry = (host: string, repository: string, tag = "latest"): Reference => ({
  kind: "registry",
  host,
  repository,
  tag,
});

describe("a reference", () => {
  it.each<[string, Reference]>([
    ["example.com/etcd", registry("example.com", "etcd")],
    ["docker://example.com/etcd", registry("example.com", "etcd")],
    ["docker://example.com:5000/org/etcd:v3", registry("example.com:5000", "org/etcd", "v3")],
    ["localhost/a", registry("localhost", "a")],
    ["localhost:5000/a:b", registry("localhost:5000", "a", "b")],
    ["127.0.0.1:5000/a", registry("127.0.0.1:5000", "a")],
    ["[::1]:5000/a/b:c", registry("[::1]:5000", "a/b", "c")],
    ["Example.COM/a", registry("Example.COM", "a")],
    ["host:1/a-b_c.d__e--f/g:V-1_2.3", registry("host:1", "a-b_c.d__e--f/g", "V-1_2.3")],
    [`h.io/a@${digest}`, { kind: "registry", host: "h.io", repository: "a", digest }],
    [`h.io/a:${"t".repeat(128)}`, registry("h.io", "a", "t".repeat(128))],
    ["oci:dir", { kind: "oci", path: "dir" }],
    ["oci:/a/b.c:v1", { kind: "oci", path: "/a/b.c", tag: "v1" }],
    ["oci-archive:./x.tar", { kind: "oci-archive", path: "./x.tar" }],
    ["oci-archive:x.tar:a/b:c", { kind: "oci-archive", path: "x.tar", tag: "a/b:c" }],
    ["dir:/a/b:c", { kind: "dir", path: "/a/b:c" }],
    ["docker-archive:x.tar:@1", { kind: "docker-archive", path: "x.tar", tag: "@1" }],
    ["docker-archive:x.tar:example.com/a:v1", { kind: "docker-archive", path: "x.tar", tag: "example.com/a:v1" }],
  ])("%s is read", (text, reference) => {
    expect(parseReference(text)).toEqual(reference);
    expect(parseReference(formatReference(reference))).toEqual(reference);
  });

  it.each([
    "",
    "/",
    "etcd",
    "org/etcd:v3",
    "docker://",
    "docker://etcd",
    "h.io/",
    "h.io//a",
    "h.io/a/",
    "h.io/A",
    "h.io/a_.b",
    "h.io/a.",
    "h.io/-a",
    "h.io/..",
    "h.io/../../v2/secret",
    "h.io/a/../b",
    "h.io/a%2f..",
    "h.io/a?x=1",
    "h.io/a#b",
    "h.io/a\\b",
    "h.io/a:",
    "h.io/a:.b",
    "h.io/a:-b",
    "h.io/a:b/c",
    `h.io/a:${"t".repeat(129)}`,
    `h.io/${"r".repeat(256)}`,
    "h.io/a@",
    "h.io/a@sha256:abc",
    `h.io/a@${digest.toUpperCase()}`,
    `h.io/a@sha256:${"A".repeat(64)}`,
    `h.io/a@sha512:${"a".repeat(128)}`,
    `h.io/a@sha256:../../${"a".repeat(58)}`,
    `h.io/a:v1@${digest}`,
    `h.io/a@${digest}@${digest}`,
    "user:password@h.io/a",
    "h.io:x/a",
    "h.io:123456/a",
    "-h.io/a",
    "h..io/a",
    "h_o.io/a",
    "http://h.io/a",
    "https://h.io/a",
    "dir:",
    "docker-daemon:Etcd",
    "docker-daemon:a:b@c",
    `docker-daemon:a:b@${digest}`,
    "tarball:/a",
    "ostree:/a",
    "docker-daemon:./a",
    "oci:",
    "oci::v1",
    "oci:dir:",
    "docker-archive:",
    "h.io/a b",
    "h.io/a\n",
    "h.io/a\0",
    "oci:a\u007f",
    " h.io/a",
  ])("%j is refused", (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "E_REFERENCE" }));
  });

  it.each(["a.\u0085/x", "containers-storage:a.\u0085/x"])("%j is shown without its control characters", (text) => {
    expect(() => parseReference(text)).toThrow(/^[^\u0080-\u009f]*\\u0085 is not a registry host$/);
  });

  const name = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+)*$/);
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
  const host = fc
    .tuple(fc.stringMatching(/^[a-z0-9]{1,9}\.[a-z]{2,5}$/), fc.constantFrom("", ":5000"))
    .map((two) => two.join(""));
  const hash = fc.stringMatching(/^[a-f0-9]{64}$/).map((hex): Digest => `sha256:${hex}`);
  const repository = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  const path = fc.stringMatching(/^[A-Za-z0-9._/-]{1,30}$/);
  const reference: fc.Arbitrary<Reference> = fc.oneof(
    fc.record({ kind: fc.constant("registry" as const), host, repository, tag }),
    fc.record({ kind: fc.constant("registry" as const), host, repository, digest: hash }),
    fc.record({ kind: fc.constantFrom("oci" as const, "oci-archive" as const, "docker-archive" as const), path }),
    fc.record({ kind: fc.constantFrom("oci" as const, "oci-archive" as const, "docker-archive" as const), path, tag }),
  );

  it("is the same when it is written and read again", () => {
    fc.assert(
      fc.property(reference, (one) => {
        expect(parseReference(formatReference(one))).toEqual(one);
        const prefixed = one.kind === "registry" ? `docker://${formatReference(one)}` : formatReference(one);
        expect(parseReference(prefixed)).toEqual(one);
      }),
      { seed: 20260105 },
    );
  });

  it("is read or refused with E_REFERENCE, whatever text it is", () => {
    const text = fc.array(
      fc.constantFrom("h.io", "a", "/", ":", "@", digest, "oci:", "docker://", "..", "A", "\n", "[", "]"),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          text.map((parts) => parts.join("")),
          fc.string(),
        ),
        (one) => {
          try {
            const read = parseReference(one);
            expect(parseReference(formatReference(read))).toEqual(read);
          } catch (error) {
            expect(error).toMatchObject({ code: "E_REFERENCE" });
          }
        },
      ),
      { seed: 20260106, numRuns: 500 },
    );
  });
});

describe("the container of an image", () => {
  it.each([
    ["reg.io/org/etcd:v3", "etcd-v3"],
    ["reg.io/org/etcd:latest", "etcd"],
    ["reg.io/org/etcd", "etcd"],
    ["reg.io:5000/etcd:v3.4", "etcd-v3.4"],
    [`reg.io/org/etcd@${digest}`, "etcd"],
    ["oci:/images/etcd", "etcd"],
    ["oci:/images/etcd/", "etcd"],
    ["oci:/images/etcd:latest", "etcd"],
    ["oci:/images/etcd:v3", "etcd-v3"],
    ["oci-archive:/images/etcd.tar", "etcd"],
    ["oci-archive:etcd.tar.gz", "etcd"],
    ["oci-archive:/images/etcd.oci:v3", "etcd-v3"],
    ["docker-archive:saved.tar:reg.io/org/etcd:v3", "etcd-v3"],
    ["docker-archive:saved.tar:reg.io/org/etcd:latest", "etcd"],
    ["docker-archive:etcd.tgz", "etcd"],
    ["docker-archive:etcd.tar:@1", "etcd"],
    ["dir:/images/etcd", "etcd"],
    ["dir:/images/etcd:v3/", "etcd-v3"],
  ])("20: %s is called %s", (text, name) => {
    expect(containerNameOf(parseReference(text))).toBe(name);
  });
});

describe("a repository", () => {
  it.each([
    ["example.com:5000/team/etcd", "example.com:5000", "team/etcd"],
    ["docker://localhost/a", "localhost", "a"],
  ])("%s is read", (text, host, repository) => {
    expect(parseRepository(text)).toEqual({ host, repository });
  });

  it.each(["etcd", "example.com/a:b", `example.com/a@${digest}`, "oci:dir", "docker://example.com/A"])(
    "%s is none",
    (text) => {
      expect(() => parseRepository(text)).toThrow(expect.objectContaining({ code: "E_REFERENCE" }));
    },
  );
});

describe("a digest", () => {
  it("is read as it is written, and shown by its first twelve characters", () => {
    expect(parseDigest(digest)).toBe(digest);
    expect([hexOf(digest), shortDigest(digest)]).toEqual([digest.slice(7), "0123456789ab"]);
    expect(digestOf("abc")).toBe("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(digestOf(Buffer.from("abc"))).toBe(digestOf("abc"));
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a number", 7],
    ["a list that reads as one", [digest]],
    ["an empty text", ""],
    ["the bare characters", "a".repeat(64)],
    ["capitals", `sha256:${"A".repeat(64)}`],
    ["63 characters", `sha256:${"a".repeat(63)}`],
    ["65 characters", `sha256:${"a".repeat(65)}`],
    ["a newline behind it", `${digest}\n`],
    ["white space before it", ` ${digest}`],
    ["a path", `sha256:../../${"a".repeat(58)}`],
    ["another algorithm", `sha512:${"a".repeat(128)}`],
    ["capitals in the algorithm", `SHA256:${"a".repeat(64)}`],
  ])("is not %s", (_, value) => {
    expect(() => parseDigest(value)).toThrow(expect.objectContaining({ code: "E_MANIFEST" }));
  });
});
