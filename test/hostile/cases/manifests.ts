import { casesOf, type Document, exactly, refused } from "../case.ts";
import { file, layer } from "../entries.ts";
import { indexType, manifestType } from "../layout.ts";
import { isFile } from "../rows.ts";

const tar = layer(file("f", "x"));
const layers = [tar];
const right = exactly({ f: isFile("x") });
const bad = (words: RegExp) => refused("E_MANIFEST", words);
const bytes = (document: Document, change: (text: string) => string): Buffer =>
  Buffer.from(change(JSON.stringify(document)));
const withLayer = (change: Document) => (document: Document) => ({
  ...document,
  layers: [{ ...document.layers[0], ...change }],
});
const withFirst = (change: Document) => (document: Document) => ({
  ...document,
  manifests: [{ ...document.manifests[0], ...change }],
});
const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

/** Indexes around the manifest, `depth` of them. */
const around = (depth: number) => (document: Document, add: (bytes: Buffer) => Document) => {
  let entry = document.manifests[0];
  for (let at = 0; at < depth; at++) {
    const index = {
      schemaVersion: 2,
      mediaType: indexType,
      manifests: [{ ...entry, platform: { os: "linux", architecture: "amd64" } }],
    };
    entry = {
      mediaType: indexType,
      ...add(Buffer.from(JSON.stringify(index))),
      annotations: document.manifests[0].annotations,
    };
  }
  return { ...document, manifests: [entry] };
};

/** Documents that lie, or can be read in two ways. */
export const manifests = casesOf(
  "2.6",
  [
    "a document that is manifest and index",
    { layers, manifest: (document) => ({ ...document, manifests: [] }) },
    bad(/both a manifest and an index/),
  ],
  [
    "a manifest that calls itself an index",
    { layers, manifest: (document) => ({ ...document, mediaType: indexType }) },
    bad(/calls itself/),
  ],
  [
    "an index that calls a manifest an index",
    { layers, index: withFirst({ mediaType: indexType }) },
    bad(/calls itself|not an image manifest/),
  ],
  [
    "a manifest of schema 1",
    { layers, manifest: (document) => ({ ...document, schemaVersion: 1 }) },
    bad(/schemaVersion is 1/),
  ],
  [
    "bytes before a manifest",
    { layers, manifest: (document) => bytes(document, (text) => `\ufeff${text}`) },
    bad(/not JSON/),
  ],
  [
    "a manifest that is no text",
    { layers, manifest: () => Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) },
    bad(/not JSON/),
  ],
  [
    "a manifest with two lists of layers",
    { layers, manifest: (document) => bytes(document, (text) => text.replace(/}$/, ',"layers":[]}')) },
    bad(/the key .*layers.* twice/),
  ],
  [
    "a descriptor with two digests",
    {
      layers,
      manifest: (document) =>
        bytes(document, (text) => text.replace('"layers":[{', `"layers":[{"digest":"sha256:${"a".repeat(64)}",`)),
    },
    bad(/the key .*digest.* twice/),
  ],
  [
    "a manifest nested 200,000 deep",
    { layers, manifest: (document) => bytes(document, (text) => text.replace(/}$/, `,"x":${nested(200_000)}}`)) },
    bad(/nested more than/),
  ],
  [
    "a manifest of 5 MiB",
    { layers, manifest: (document) => ({ ...document, x: "x".repeat(5 * 2 ** 20) }) },
    refused("E_LIMIT", /larger than 4194304/),
  ],
  [
    "a manifest with keys that objects have",
    {
      layers,
      manifest: (document) =>
        bytes(document, (text) => text.replace(/}$/, ',"__proto__":{"layers":[]},"constructor":1,"toString":2}')),
    },
    right,
  ],
  [
    "a layout with an index of 5 MiB",
    { layers, index: (document) => ({ ...document, x: "x".repeat(5 * 2 ** 20) }) },
    refused("E_LIMIT", /index.json is larger than/),
  ],
  ["indexes eight deep", { layers, index: around(8) }, right],
  ["indexes nine deep", { layers, index: around(9) }, refused("E_LIMIT", /more than 8 deep/)],
  [
    "an index of 1,001 entries",
    {
      layers,
      index: (document) => ({ ...document, manifests: Array.from({ length: 1001 }, () => document.manifests[0]) }),
    },
    refused("E_LIMIT", /more than 1000 entries/),
  ],
  [
    "an image of 128 layers",
    { layers: Array.from({ length: 128 }, () => tar) },
    refused("E_LIMIT", /more than 127 layers/),
  ],
  ["an image of 127 layers", { layers: Array.from({ length: 127 }, () => tar) }, right],
  [
    "two images of one name",
    { layers, index: (document) => ({ ...document, manifests: [document.manifests[0], document.manifests[0]] }) },
    refused("E_SOURCE", /ambiguous/),
  ],
  [
    "an artifact",
    {
      layers,
      manifest: (document) => ({
        ...document,
        artifactType: "application/x",
        config: { ...document.config, mediaType: "application/vnd.oci.empty.v1+json" },
      }),
    },
    bad(/artifact/),
  ],
  [
    "an encrypted layer",
    { layers, manifest: withLayer({ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted" }) },
    bad(/not a layer/),
  ],
  [
    "a layer that is said to be elsewhere",
    { layers, manifest: withLayer({ urls: ["http://127.0.0.1:1/layer"] }) },
    right,
  ],
  [
    "data beside a layer that is other data",
    { layers, manifest: withLayer({ data: Buffer.from("other").toString("base64") }) },
    right,
  ],
  [
    "types and keys that nobody knows",
    {
      layers,
      manifest: (document) => ({ ...document, later: { a: 1 } }),
      index: (document) => ({
        ...document,
        manifests: [
          { ...document.manifests[0], mediaType: manifestType },
          { mediaType: "application/x", digest: `sha256:${"b".repeat(64)}`, size: 1 },
        ],
      }),
    },
    right,
  ],
  ["an image of no layers", { layers: [] }, exactly({})],
  ["a layer twice", { layers: [tar, tar] }, right],
);
