import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Blobs, BuiltImage, Document, LayerBlob } from "./case.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";
const configType = "application/vnd.oci.image.config.v1+json";
const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Where the OCI layout at `directory` has a blob. */
export function blobFile(directory: string, digest: string): string {
  return join(directory, "blobs/sha256", digest.slice("sha256:".length));
}

/** Writes the image as an OCI layout of its own, tagged `latest`. */
export function writeLayout(image: BuiltImage, directory: string): Blobs {
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  const add = (bytes: Buffer): { digest: string; size: number } => {
    const digest = sha256(bytes);
    writeFileSync(blobFile(directory, digest), bytes);
    return { digest, size: bytes.length };
  };
  const same = (document: Document): Document => document;
  const layers = (image.layers ?? []).map(blobOf);
  const described = layers.map(({ blob, mediaType = layerType }) => ({ mediaType, ...add(blob) }));
  const rootfs = { type: "layers", diff_ids: layers.map(({ tar }) => sha256(tar)) };
  const configDocument = { os: "linux", architecture: "amd64", config: { Cmd: ["/bin/true"] }, rootfs };
  const config = { mediaType: configType, ...add(bytesOf((image.config ?? same)(configDocument))) };
  const document = { schemaVersion: 2, mediaType: manifestType, config, layers: described };
  const manifest = { mediaType: manifestType, ...add(bytesOf((image.manifest ?? same)(document))) };
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const index = (image.index ?? same)({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }, add);
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, "index.json"), bytesOf(index));
  const blobs = {
    layers: described.map(({ digest }) => digest),
    config: config.digest,
    manifest: manifest.digest,
  };
  image.arrange?.(directory, blobs);
  return blobs;
}

function blobOf(layer: Buffer | LayerBlob): LayerBlob {
  return Buffer.isBuffer(layer) ? { blob: gzipSync(layer, { level: 1 }), tar: layer } : layer;
}

function bytesOf(document: Document | Buffer): Buffer {
  return Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
}
