import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { standardLimits } from "../../src/image/limits.ts";
import { indexTypes, layerCompression, manifestTypes, parseManifest } from "../../src/image/manifest.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 7 };
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 9 };
const image = { schemaVersion: 2, mediaType: manifestTypes[0], config, layers: [layer] };
const entry = {
  mediaType: manifestTypes[0],
  digest,
  size: 5,
  platform: { os: "linux", architecture: "arm", variant: "v7" },
};
const index = { schemaVersion: 2, mediaType: indexTypes[0], manifests: [entry] };
const tooMuch = expect.objectContaining({ code: "E_LIMIT" });
const refused = expect.objectContaining({ code: "E_MANIFEST" });

function read(document: unknown, declared?: string): ReturnType<typeof parseManifest> {
  return parseManifest(
    Buffer.from(typeof document === "string" ? document : JSON.stringify(document)),
    declared,
    "test",
  );
}

const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
const deepObject = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;

/** `document` with `value` as JSON text under `key`. */
function withText(document: object, key: string, value: string): string {
  return JSON.stringify({ ...document, [key]: "PLACE" }).replace('"PLACE"', () => value);
}

describe("a manifest", () => {
  it.each(manifestTypes)("of type %s is read, its layers lowest first", (mediaType) => {
    const layers = [layer, { ...layer, size: 10, annotations: { a: "b", c: 1 } }];
    expect(read({ ...image, mediaType, layers }, mediaType)).toEqual({
      kind: "manifest",
      mediaType,
      config: { ...config, annotations: {} },
      layers: [
        { ...layer, annotations: {} },
        { ...layer, size: 10, annotations: { a: "b" } },
      ],
    });
  });

  it("needs no type of its own, and takes the one it is offered as", () => {
    const { mediaType: _, ...untyped } = image;
    expect(read(untyped).mediaType).toBe(manifestTypes[0]);
    expect(read(untyped, manifestTypes[1]).mediaType).toBe(manifestTypes[1]);
  });

  it("may hold fields nobody knows, `urls` and `data` of descriptors among them", () => {
    const odd = { ...layer, urls: ["http://169.254.169.254/"], data: "AAAA", future: true };
    expect(read({ ...image, layers: [odd], future: {} })).toMatchObject({ layers: [{ ...layer, annotations: {} }] });
  });

  it("without layers is one", () => {
    expect(read({ ...image, layers: [] })).toMatchObject({ kind: "manifest", layers: [] });
  });

  it("may name a subject or a kind of artifact as long as it has an image's configuration", () => {
    expect(read({ ...image, artifactType: "application/x", subject: entry }).kind).toBe("manifest");
    const other = { ...config, mediaType: "application/vnd.oci.empty.v1+json" };
    expect(() => read({ ...image, artifactType: "application/x", config: other })).toThrow(refused);
  });
});

describe("an index", () => {
  it.each(indexTypes)("of type %s is read, platforms and all", (mediaType) => {
    const plain = { mediaType: "application/x-odd", digest, size: 0 };
    expect(read({ ...index, mediaType, manifests: [entry, plain] }, mediaType)).toEqual({
      kind: "index",
      mediaType,
      manifests: [
        { ...entry, annotations: {} },
        { ...plain, annotations: {} },
      ],
    });
  });
});

describe("a document is refused", () => {
  it.each<[string, unknown, string?]>([
    ["that is both a manifest and an index", { ...image, manifests: [entry] }],
    ["that is an index with a configuration", { ...index, config }],
    ["that is an index with layers", { ...index, layers: [] }],
    ["that is a manifest and calls itself an index", { ...image, mediaType: indexTypes[0] }],
    ["that is an index and calls itself a manifest", { ...index, mediaType: manifestTypes[0] }],
    ["that is offered as another type than it says", image, manifestTypes[1]],
    ["that is a manifest offered as an index", { ...image, mediaType: undefined }, indexTypes[0]],
    ["that is offered as something else", { ...image, mediaType: undefined }, "text/html"],
    ["of an unknown type", { ...image, mediaType: "application/x-odd" }],
    ["whose type is not a text", { ...image, mediaType: [manifestTypes[0]] }],
    ["of schema 1", { ...image, schemaVersion: 1 }],
    ["of schema 2 in a text", { ...image, schemaVersion: "2" }],
    ["of no schema", { ...image, schemaVersion: undefined }],
    ["without a configuration", { ...image, config: undefined }],
    ["whose layers are not a list", { ...image, layers: { 0: layer } }],
    ["whose layers are missing", { ...image, layers: undefined }],
    ["whose manifests are not a list", { ...index, manifests: {} }],
    ["that is a list", [image]],
    ["that is null", null],
    ["that is a number", 2],
    ["that is empty", ""],
    ["that is a page of HTML", "<!doctype html><title>Log in</title>"],
    ["with something behind it", `${JSON.stringify(image)}x`],
    ["with a byte order mark", `\ufeff${JSON.stringify(image)}`],
  ])("%s", (_, document, declared) => {
    expect(() => read(document, declared)).toThrow(refused);
  });

  it("that is not UTF-8", () => {
    const bytes = Buffer.from(JSON.stringify({ ...image, note: "\u00e9" }), "latin1");
    expect(() => parseManifest(bytes, undefined, "test")).toThrow(refused);
  });

  it("that is larger than 4 MiB, and one of 12 MiB at once", () => {
    const sized = (size: number): string => withText(image, "a", `"${"x".repeat(size)}"`);
    const slack = standardLimits.bytes - sized(0).length;
    expect(read(sized(slack)).kind).toBe("manifest");
    expect(() => read(sized(slack + 1))).toThrow(tooMuch);
    expect(() => read(sized(12 * 1024 * 1024))).toThrow(tooMuch);
  });

  it.each([
    ["of 128 layers", { ...image, layers: Array(128).fill(layer) }],
    ["of 1001 entries", { ...index, manifests: Array(1001).fill(entry) }],
  ])("%s", (_, document) => {
    expect(() => read(document)).toThrow(tooMuch);
  });

  it("in which a key stands twice", () => {
    expect(() => read(JSON.stringify(image).replace(/}$/, ',"layers":[]}'))).toThrow(refused);
  });

  it.each(["schemaVersion", "mediaType", "config", "layers", "artifactType", "unknown"])(
    "that is nested a hundred thousand deep in %s",
    (key) => {
      expect(() => read(withText(image, key, deep))).toThrow(refused);
      expect(() => read(withText(image, key, deepObject))).toThrow(refused);
    },
  );

  it.each(["digest", "size", "mediaType", "annotations", "unknown"])(
    "with a descriptor nested so deep in %s",
    (key) => {
      expect(() => read(withText(image, "config", withText(config, key, deep)))).toThrow(refused);
      expect(() => read(withText(index, "manifests", `[${withText(entry, key, deepObject)}]`))).toThrow(refused);
    },
  );

  it("but one whose texts hold brackets is read", () => {
    const note = `\\"${"[{".repeat(1000)}\\\\`;
    expect(read(withText(image, "note", `"${note}"`)).kind).toBe("manifest");
  });

  it("or read, whatever is changed in it", () => {
    fc.assert(
      fc.property(fc.constantFrom(image, index), fc.nat(1000), fc.string({ maxLength: 3 }), (document, at, text) => {
        const whole = JSON.stringify(document);
        const place = at % whole.length;
        try {
          read(`${whole.slice(0, place)}${text}${whole.slice(place + 1)}`);
        } catch (error) {
          expect(error).toMatchObject({ code: "E_MANIFEST" });
        }
      }),
      { seed: 20260107, numRuns: 1000 },
    );
  });
});

describe("a descriptor is refused", () => {
  it.each<[string, Record<string, unknown>]>([
    ["without a size", { size: undefined }],
    ["with a negative size", { size: -1 }],
    ["with a size in a text", { size: "9" }],
    ["with a fraction of a byte", { size: 1.5 }],
    ["with a size beyond 2^53", { size: 2 ** 53 }],
    ["with a size of null", { size: null }],
    ["without a type", { mediaType: undefined }],
    ["with a type that is not a text", { mediaType: 1 }],
    ["without a digest", { digest: undefined }],
    ["with a digest in capitals", { digest: digest.replaceAll("a", "A") }],
    ["with a digest that is a path", { digest: `sha256:../../${"a".repeat(58)}` }],
    ["with a digest that ends in a newline", { digest: `${digest}\n` }],
    ["with a digest of another algorithm", { digest: `sha512:${"a".repeat(128)}` }],
  ])("%s", (_, wrong) => {
    expect(() => read({ ...image, config: { ...config, ...wrong } })).toThrow(refused);
    expect(() => read({ ...image, layers: [layer, { ...layer, ...wrong }] })).toThrow(refused);
    expect(() => read({ ...index, manifests: [{ ...entry, ...wrong }] })).toThrow(refused);
  });

  it("that is not an object", () => {
    for (const value of [null, [], "x", 1]) expect(() => read({ ...image, layers: [value] })).toThrow(refused);
  });

  it("and takes nothing from __proto__ or constructor", () => {
    const { size: _, ...unsized } = layer;
    const text = JSON.stringify(unsized).replace(
      "{",
      '{"__proto__":{"size":9},"constructor":{"prototype":{"size":9}},',
    );
    expect(() => read(withText(image, "layers", `[${text}]`))).toThrow(refused);
    expect(({} as { size?: number }).size).toBeUndefined();
    const annotated = JSON.stringify({ ...layer, annotations: {} }).replace(
      '"annotations":{}',
      '"annotations":{"__proto__":"x"}',
    );
    expect(read(withText(image, "layers", `[${annotated}]`)).kind).toBe("manifest");
  });
});

describe("a layer", () => {
  const compressionOf = (mediaType: string): string =>
    layerCompression({ mediaType, digest, size: 1, annotations: {} });
  const oci = "application/vnd.oci.image.layer.";
  const docker = "application/vnd.docker.image.rootfs.diff.tar";

  it.each([
    [`${oci}v1.tar`, "none"],
    [`${oci}v1.tar+gzip`, "gzip"],
    [`${oci}v1.tar+zstd`, "zstd"],
    [`${oci}nondistributable.v1.tar`, "none"],
    [`${oci}nondistributable.v1.tar+gzip`, "gzip"],
    [docker, "none"],
    [`${docker}.gzip`, "gzip"],
    [`${docker}.zstd`, "zstd"],
  ])("of type %s is compressed by %s", (mediaType, compression) => {
    expect(compressionOf(mediaType)).toBe(compression);
  });

  it.each([
    `${oci}v1.tar+xz`,
    `${oci}v1.tar+gzip+encrypted`,
    `${oci}v1.tar+GZIP`,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/octet-stream",
    "toString",
    "__proto__",
    "",
  ])("of type %j is refused", (mediaType) => {
    expect(() => compressionOf(mediaType)).toThrow(refused);
  });
});
