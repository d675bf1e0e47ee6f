import { describe, expect, it } from "vitest";
import { formatReference, parseReference, type RegistryReference } from "../../src/image/reference.ts";
import { endpointsOf, type Registries } from "../../src/image/registries.ts";
import { mergeRegistries, parseRegistriesConf } from "../../src/image/registries-conf.ts";
import { parseToml } from "../../src/toml.ts";

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

describe("several files", () => {
  it("are one: a later list for an earlier, a later rule for the one of its prefix, a later alias, none for an empty one", () => {
    const registries = registriesOf(
      'unqualified-search-registries = ["one.example"]\nshort-name-mode = "enforcing"\n[[registry]]\nlocation = "a.example"\ninsecure = true\n[[registry]]\nlocation = "b.example"\ninsecure = true\n[aliases]\n"a" = "x.example/a"\n"b" = "x.example/b"',
      'unqualified-search-registries = ["two.example"]\ncredential-helpers = ["secretservice"]\n[[registry]]\nlocation = "a.example"\n[aliases]\n"a" = ""\n"b" = "y.example/b"',
      'short-name-mode = "permissive"',
    );
    expect(registries).toMatchObject({
      searched: ["two.example"],
      shortNameMode: "permissive",
      credentialHelpers: ["secretservice"],
    });
    expect([...registries.aliases]).toEqual([["b", "y.example/b"]]);
    expect(places(registries, "a.example/x")).toEqual(["a.example/x:latest"]);
    expect(places(registries, "b.example/x")).toEqual(["!b.example/x:latest"]);
  });

  it("the first of two rules for one prefix counts in one file", () => {
    const twice = registriesOf(
      '[[registry]]\nlocation = "a.example"\ninsecure = true\n[[registry]]\nlocation = "a.example"',
    );
    expect(places(twice, "a.example/x")).toEqual(["!a.example/x:latest"]);
  });
});

describe("a registries.conf is refused that has", () => {
  const rule = (text: string): string => `[[registry]]\nlocation = "a.example"\n${text}`;

  it.each([
    ["version 1", '[registries.search]\nregistries = ["a.example"]', "registries"],
    ["no TOML", "unqualified-search-registries = [", "line 1"],
    ["a list that is none", 'unqualified-search-registries = "a.example"', "unqualified-search-registries"],
    ["a list of numbers", "unqualified-search-registries = [1]", "unqualified-search-registries"],
    [
      "a searched registry with a scheme",
      'unqualified-search-registries = ["https://a.example"]',
      "unqualified-search-registries",
    ],
    [
      "a searched registry that is no host",
      'unqualified-search-registries = ["registry"]',
      "unqualified-search-registries",
    ],
    ["an unknown mode", 'short-name-mode = "loose"', "short-name-mode"],
    ["a helper with a slash", 'credential-helpers = ["../evil"]', "credential-helpers"],
    ["a registry without a name", "[[registry]]\ninsecure = true", "registry[0].prefix"],
    ["a registry that is no table", 'registry = "a.example"', "registry"],
    ["a location with a scheme", '[[registry]]\nlocation = "https://a.example"', "registry[0].location"],
    ["a wildcard inside", '[[registry]]\nprefix = "a.*.example"', "registry[0].prefix"],
    ["a wildcard with a path", '[[registry]]\nprefix = "*.example/a"', "registry[0].prefix"],
    ["a wildcard with a port", '[[registry]]\nprefix = "*.example:5000"', "registry[0].prefix"],
    ["a wildcard location", '[[registry]]\nprefix = "b.example"\nlocation = "*.a.example"', "registry[0].location"],
    ["a truth that is none", rule('insecure = "yes"'), "registry[0].insecure"],
    ["a mirror's key outside of one", rule('pull-from-mirror = "all"'), "registry[0].pull-from-mirror"],
    ["a mirror without a location", rule("[[registry.mirror]]\ninsecure = true"), "registry[0].mirror[0].location"],
    [
      "an unknown use of a mirror",
      rule('[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "never"'),
      "registry[0].mirror[0].pull-from-mirror",
    ],
    [
      "two that exclude each other",
      rule('mirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "all"'),
      "registry[0].mirror[0].pull-from-mirror",
    ],
    ["an alias without a host", '[aliases]\n"a" = "team/a"', "aliases.a"],
    ["an alias with a tag", '[aliases]\n"a" = "b.example/a:v1"', "aliases.a"],
    ["an alias that is no text", '[aliases]\n"a" = 1', "aliases.a"],
  ])("%s", (_what, text, key) => {
    expect(() => registriesOf(text)).toThrow(
      expect.objectContaining({ code: "E_SETTINGS", message: expect.stringMatching(/^0\.conf/) }),
    );
    expect(() => registriesOf(text)).toThrow(key);
  });

  it("but not a key that only others know", () => {
    expect(
      registriesOf('additional-layer-store-auth-helper = "x"\n[[registry]]\nlocation = "a.example"\nfuture = 1').rules,
    ).toHaveLength(1);
  });
});
