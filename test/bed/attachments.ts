import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../src/image/digest.ts";
import type { SigstoreSignature } from "./sigstore.ts";

export interface Attachment {
  readonly manifest: Buffer;
  readonly blobs: readonly Buffer[];
}

const config = Buffer.from('{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}');

/** The manifest that cosign writes for signatures; with a subject it is found as a referrer. */
export function attachmentOf(signatures: readonly SigstoreSignature[], subject?: object): Attachment {
  const layers = signatures.map(({ payload, annotations }) => ({
    mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
    size: payload.length,
    digest: digestOf(payload),
    annotations,
  }));
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    ...(subject === undefined ? {} : { artifactType: "application/vnd.dev.cosign.artifact.sig.v1+json", subject }),
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      size: config.length,
      digest: digestOf(config),
    },
    layers,
  };
  const blobs = [config, ...signatures.map(({ payload }) => Buffer.from(payload))];
  return { manifest: Buffer.from(JSON.stringify(manifest)), blobs };
}

/** Puts signatures beside an image in a registry that speaks plain HTTP, as `cosign sign` does. */
export async function attachInRegistry(
  host: string,
  repository: string,
  digest: string,
  signatures: readonly SigstoreSignature[],
): Promise<void> {
  const { manifest, blobs } = attachmentOf(signatures);
  const base = `http://${host}/v2/${repository}`;
  for (const blob of blobs) {
    const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
    const upload = new URL(begun.headers.get("location") ?? "", base);
    upload.searchParams.set("digest", digestOf(blob));
    await stored(fetch(upload, { method: "PUT", body: new Uint8Array(blob) }));
  }
  const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
  const tag = `${digest.replace(":", "-")}.sig`;
  await stored(fetch(`${base}/manifests/${tag}`, { method: "PUT", body: new Uint8Array(manifest), headers }));
}

async function stored(answer: Promise<Response>): Promise<void> {
  const { status } = await answer;
  if (status !== 201) throw new Error(`the registry answered ${status}`);
}

/** Puts signatures beside the one image of a layout: under cosign's tag, or as what refers to the image. */
export function attachInLayout(
  directory: string,
  digest: string,
  signatures: readonly SigstoreSignature[],
  form: "tag" | "referrer",
): void {
  const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1 };
  const { manifest, blobs } = attachmentOf(signatures, form === "referrer" ? subject : undefined);
  const place = join(directory, "blobs/sha256");
  mkdirSync(place, { recursive: true });
  for (const blob of [...blobs, manifest]) writeFileSync(join(place, digestOf(blob).slice(7)), blob);
  const tag = { "org.opencontainers.image.ref.name": `${digest.replace(":", "-")}.sig` };
  const path = join(directory, "index.json");
  const index = JSON.parse(readFileSync(path, "utf8"));
  index.manifests.push({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    size: manifest.length,
    digest: digestOf(manifest),
    ...(form === "tag" ? { annotations: tag } : {}),
  });
  writeFileSync(path, JSON.stringify(index));
}
