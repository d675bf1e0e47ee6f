import { describe, expect, it } from "vitest";
import { formatReference, parseName, parseReference, type RegistryReference } from "../../src/image/reference.ts";
import { candidatesOf, endpointsOf, type Registries } from "../../src/image/registries.ts";
import { mergeRegistries, parseRegistriesConf } from "../../src/image/registries-conf.ts";
import { parseToml } from "../../src/toml.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

function registriesOf(...texts: readonly string[]): Registries {
  return mergeRegistries(
    texts.map((text, index) => parseRegistriesConf(parseToml(text, `${index}.conf`), `${index}.conf`)),
  );
}

function registryReference(text: string): RegistryReference {
  const reference = parseReference(text);
  if (reference.kind !== "registry") throw new Error(`${text} is of no registry`);
  return reference;
}

/** The endpoints of a reference in order; `!` marks an insecure one. */
function places(registries: Registries, text: string): readonly string[] {
  const endpoints = endpointsOf(registries, registryReference(text));
  return endpoints.map(({ reference, insecure }) => `${insecure ? "!" : ""}${formatReference(reference)}`);
}

describe("an image is asked for", () => {
  const manual = registriesOf(`
    [[registry]]
    prefix = "example.com/foo"
    location = "internal.example.net/bar"
    [[registry.mirror]]
    location = "mirror-0.local/mirror-for-foo"
    [[registry.mirror]]
    location = "mirror-1.local/mirrors/foo/"
    insecure = true
    [[registry]]
    location = "registry.com"
    [[registry.mirror]]
    location = "mirror.registry.com"
    [[registry]]
    prefix = "example.com/foo/deeper"
    insecure = true
    [[registry]]
    prefix = "*.wild.example"
    [[registry.mirror]]
    location = "mirror.local:5000/wild"
    [[registry]]
    prefix = "*.b.wild.example"
    [[registry]]
    prefix = "a.wild.example"
    location = "exact.example"
    [[registry]]
    prefix = "docker.io/library"
    location = "hub.local/official"
    [[registry]]
    prefix = "tagged.example/a:v1"
    location = "tagged.local/b:v2"
    [[registry]]
    prefix = "*.moved.example"
    location = "moved.local:5000"
  `);

  it.each([
    ["other.example/a/b", ["other.example/a/b:latest"]],
    [
      "example.com/foo/image",
      [
        "mirror-0.local/mirror-for-foo/image:latest",
        "!mirror-1.local/mirrors/foo/image:latest",
        "internal.example.net/bar/image:latest",
      ],
    ],
    [
      `example.com/foo@${digest}`,
      [
        `mirror-0.local/mirror-for-foo@${digest}`,
        `!mirror-1.local/mirrors/foo@${digest}`,
        `internal.example.net/bar@${digest}`,
      ],
    ],
    ["example.com/food", ["example.com/food:latest"]],
    ["example.com/foo/deeper/a:v1", ["!example.com/foo/deeper/a:v1"]],
    [
      "example.com/foo/deepest",
      [
        "mirror-0.local/mirror-for-foo/deepest:latest",
        "!mirror-1.local/mirrors/foo/deepest:latest",
        "internal.example.net/bar/deepest:latest",
      ],
    ],
    ["registry.com/image", ["mirror.registry.com/image:latest", "registry.com/image:latest"]],
    ["registry.com:5000/image", ["registry.com:5000/image:latest"]],
    ["sub.registry.com/image", ["sub.registry.com/image:latest"]],
    ["x.y.wild.example/a", ["mirror.local:5000/wild/a:latest", "x.y.wild.example/a:latest"]],
    ["x.wild.example:444/a", ["mirror.local:5000/wild/a:latest", "x.wild.example:444/a:latest"]],
    ["x.b.wild.example/a", ["x.b.wild.example/a:latest"]],
    ["a.wild.example/a", ["exact.example/a:latest"]],
    ["wild.example/a", ["wild.example/a:latest"]],
    ["docker.io/busybox", ["hub.local/official/busybox:latest"]],
    ["docker.io/library/busybox:1", ["hub.local/official/busybox:1"]],
    ["docker.io/team/busybox", ["docker.io/team/busybox:latest"]],
    ["tagged.example/a:v1", ["tagged.local/b:v2"]],
    ["tagged.example/a:v11", ["tagged.example/a:v11"]],
    ["x.moved.example/a/b:c", ["moved.local:5000/a/b:c"]],
  ])("%s: %j", (text, expected) => {
    expect(places(manual, text)).toEqual(expected);
  });

  it.each([
    ["mirror-by-digest-only = true", "", false, true],
    ["", 'pull-from-mirror = "digest-only"', false, true],
    ["", 'pull-from-mirror = "tag-only"', true, false],
    ["", 'pull-from-mirror = "all"', true, true],
    ["", 'pull-from-mirror = ""', true, true],
  ])("a mirror with %s %s by tag: %s, by digest: %s", (registry, mirror, byTag, byDigest) => {
    const registries = registriesOf(`
      [[registry]]
      location = "example.com"
      ${registry}
      [[registry.mirror]]
      location = "mirror.local"
      ${mirror}
    `);
    expect(places(registries, "example.com/a").length === 2).toBe(byTag);
    expect(places(registries, `example.com/a@${digest}`).length === 2).toBe(byDigest);
  });

  it("nowhere when its registry is blocked", () => {
    const registries = registriesOf('[[registry]]\nprefix = "example.com/bad"\nblocked = true');
    expect(places(registries, "example.com/good")).toEqual(["example.com/good:latest"]);
    expect(() => places(registries, "example.com/bad/a")).toThrow(
      expect.objectContaining({ code: "E_BLOCKED", message: expect.stringContaining("0.conf") }),
    );
  });

  it("nowhere when its location makes no reference", () => {
    const registries = registriesOf('[[registry]]\nprefix = "example.com/a/b"\nlocation = "mirror.local"');
    expect(() => places(registries, "example.com/a/b:v1")).toThrow(
      expect.objectContaining({
        code: "E_SETTINGS",
        message: expect.stringContaining("0.conf: location mirror.local"),
      }),
    );
  });
});

describe("a short name", () => {
  const candidates = (registries: Registries, text: string): readonly string[] => {
    const name = parseName(text);
    if (name.kind !== "short") throw new Error(`${text} is not short`);
    return candidatesOf(registries, name).map(formatReference);
  };
  const registries = registriesOf(`
    unqualified-search-registries = ["docker.io", "quay.io", "localhost:5000"]
    [aliases]
    "etcd" = "quay.io/coreos/etcd"
    "team/app" = "example.com/app"
  `);

  it.each([
    ["etcd", ["quay.io/coreos/etcd:latest"]],
    ["etcd:v3", ["quay.io/coreos/etcd:v3"]],
    [`etcd@${digest}`, [`quay.io/coreos/etcd@${digest}`]],
    ["team/app", ["example.com/app:latest"]],
    ["busybox", ["docker.io/library/busybox:latest", "quay.io/busybox:latest", "localhost:5000/busybox:latest"]],
    ["team/busybox:1", ["docker.io/team/busybox:1", "quay.io/team/busybox:1", "localhost:5000/team/busybox:1"]],
  ])("%s may be %j", (text, expected) => {
    expect(candidates(registries, text)).toEqual(expected);
  });

  it("may be nothing where nothing is searched", () => {
    expect(candidates(registriesOf(), "etcd")).toEqual([]);
  });

  it.each(["etcd/", "Etcd", "a//b", "etcd:", "etcd@sha256:12", "docker://etcd", `etcd:v1@${digest}`])(
    "is not %s",
    (text) => {
      expect(() => parseName(text)).toThrow(expect.objectContaining({ code: "E_REFERENCE" }));
    },
  );
});
