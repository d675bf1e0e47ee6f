import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { casesOf, type Document, type LayerBlob, refused } from "../case.ts";
import { file, layer } from "../entries.ts";
import { sha256 } from "../layout.ts";

const tar = layer(file("f", "x"));
const other = layer(file("g", "y"));
const layers = [tar];
const bad = (words: RegExp) => refused("E_MANIFEST", words);
const digest = refused("E_DIGEST", /./);
const plain: LayerBlob = { blob: tar, tar, mediaType: "application/vnd.oci.image.layer.v1.tar" };
const withLayer = (change: Document) => (document: Document) => ({
  ...document,
  layers: [{ ...document.layers[0], ...change }],
});
const withFirst = (change: Document) => (document: Document) => ({
  ...document,
  manifests: [{ ...document.manifests[0], ...change }],
});
const diffIds =
  (...ids: readonly unknown[]) =>
  (document: Document) => ({ ...document, rootfs: { type: "layers", diff_ids: ids } });

/** Descriptors, digests and diff ids that are not what they describe. */
export const documents = casesOf(
  "2.6",
  [
    "a digest that is a path",
    { layers, manifest: withLayer({ digest: "sha256:../../../../outside/secret" }) },
    bad(/not a sha256 digest/),
  ],
  [
    "a digest in capitals",
    {
      layers,
      manifest: (document) =>
        withLayer({ digest: document.layers[0].digest.toUpperCase().replace("SHA", "sha") })(document),
    },
    bad(/not a sha256 digest/),
  ],
  [
    "a digest with a line break",
    { layers, manifest: (document) => withLayer({ digest: `${document.layers[0].digest}\n` })(document) },
    bad(/not a sha256 digest/),
  ],
  [
    "a digest of another algorithm",
    { layers, manifest: withLayer({ digest: `md5:${"a".repeat(32)}` }) },
    bad(/not a sha256 digest/),
  ],
  [
    "a digest that is a list",
    { layers, manifest: withLayer({ digest: [`sha256:${"a".repeat(64)}`] }) },
    bad(/not a sha256 digest/),
  ],
  [
    "a layer of another digest",
    { layers, manifest: withLayer({ digest: `sha256:${"a".repeat(64)}` }) },
    refused("E_SOURCE", /lacks the blob/),
  ],
  ...[-1, 0.5, "12", null, 2 ** 53].map(
    (size) =>
      [
        `a size of ${JSON.stringify(size)}`,
        { layers, manifest: withLayer({ size }) },
        bad(/descriptor's size is/),
      ] as const,
  ),
  ["a size that is left out", { layers, manifest: withLayer({ size: undefined }) }, bad(/size is missing/)],
  [
    "a size that is too small",
    { layers, manifest: (document) => withLayer({ size: document.layers[0].size - 1 })(document) },
    digest,
  ],
  [
    "a size that is too large",
    { layers, manifest: (document) => withLayer({ size: document.layers[0].size + 1 })(document) },
    digest,
  ],
  [
    "a size of the manifest that is wrong",
    { layers, index: (document) => withFirst({ size: document.manifests[0].size + 1 })(document) },
    digest,
  ],
  [
    "a manifest that was changed",
    { layers, arrange: (layout, { manifest }) => writeFileSync(join(layout, "blobs/sha256", manifest.slice(7)), "{}") },
    digest,
  ],
  [
    "a configuration that was changed",
    { layers, arrange: (layout, { config }) => writeFileSync(join(layout, "blobs/sha256", config.slice(7)), "{}") },
    digest,
  ],
  [
    "a layer that was changed",
    {
      layers: [plain],
      arrange: (layout, { layers: [first = ""] }) =>
        writeFileSync(join(layout, "blobs/sha256", first.slice(7)), Buffer.from(tar).fill(1, 513, 514)),
    },
    digest,
  ],
  ["a wrong diff id", { layers, config: diffIds(sha256(other)) }, digest],
  ["diff ids in the wrong order", { layers: [tar, other], config: diffIds(sha256(other), sha256(tar)) }, digest],
  ["fewer diff ids than layers", { layers: [tar, other], config: diffIds(sha256(tar)) }, bad(/one entry for each/)],
  ["more diff ids than layers", { layers, config: diffIds(sha256(tar), sha256(other)) }, bad(/one entry for each/)],
  ["no diff ids", { layers, config: (document) => ({ ...document, rootfs: { type: "layers" } }) }, bad(/diff_ids/)],
  ["a diff id that is a path", { layers, config: diffIds("sha256:../../x") }, bad(/not a sha256 digest/)],
  [
    "a root of another type",
    { layers, config: (document) => ({ ...document, rootfs: { ...document.rootfs, type: "windows" } }) },
    bad(/rootfs.type/),
  ],
  ["a configuration that is no object", { layers, config: () => Buffer.from("[]") }, bad(/not a JSON object/)],
  [
    "a configuration of another system",
    { layers, config: (document) => ({ ...document, os: "windows" }) },
    refused("E_PLATFORM", /windows/),
  ],
);
