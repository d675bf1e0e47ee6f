import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A registry that misbehaves as told. It keeps what a registry keeps and speaks plain HTTP on the loopback. */
export interface FakeRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** What was asked, in order. */
  readonly requests: readonly AskedRequest[];
  /** Blobs by digest, to be added to and changed. */
  readonly blobs: Map<string, Buffer>;
  /** Manifests by tag and by digest. */
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>;
  /** Is asked before the registry answers by itself; true when it has answered. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean;
  stop(): Promise<void>;
}

interface AskedRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

export async function startFakeRegistry(): Promise<FakeRegistry> {
  const requests: AskedRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? "", headers: request.headers });
    if (!fake.fault(request, response)) answer(fake, request, response);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const fake: FakeRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    blobs: new Map(),
    manifests: new Map(),
    fault: () => false,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return fake;
}

export interface Described {
  readonly mediaType: string;
  readonly digest: `sha256:${string}`;
  readonly size: number;
}

/** Keeps `bytes` as a blob and describes it. */
export function addBlob(fake: FakeRegistry, mediaType: string, bytes: Buffer): Described {
  const digest = sha256(bytes);
  fake.blobs.set(digest, bytes);
  return { mediaType, digest, size: bytes.length };
}

/** Keeps `document` as a manifest under its digest and under `tag`, and describes it. */
export function addManifest(fake: FakeRegistry, tag: string, document: { readonly mediaType: string }): Described {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = sha256(bytes);
  const entry = { type: document.mediaType, bytes };
  fake.manifests.set(tag, entry).set(digest, entry);
  return { mediaType: document.mediaType, digest, size: bytes.length };
}

/** Keeps an amd64 image of one layer, `stored` being the layer as compressed and `tar` what it unpacks to. */
export function addImage(fake: FakeRegistry, tag: string, stored: Buffer, tar: Buffer): { readonly layer: Described } {
  const layer = addBlob(fake, "application/vnd.oci.image.layer.v1.tar+gzip", stored);
  const rootfs = { type: "layers", diff_ids: [sha256(tar)] };
  const configBytes = Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", rootfs }));
  const config = addBlob(fake, "application/vnd.oci.image.config.v1+json", configBytes);
  addManifest(fake, tag, {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config,
    layers: [layer],
  } as { readonly mediaType: string });
  return { layer };
}

function sha256(bytes: Buffer): `sha256:${string}` {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Answers with the registry's error document. */
export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): true {
  const body = JSON.stringify({ errors: [{ code, message: `${code.toLowerCase()} says the registry` }] });
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  return true;
}

function answer(fake: FakeRegistry, request: IncomingMessage, response: ServerResponse): void {
  const [, kind, version = ""] = /^\/v2\/.+\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? "") ?? [];
  const manifest = kind === "manifests" ? fake.manifests.get(version) : undefined;
  const blob = kind === "blobs" ? fake.blobs.get(version) : undefined;
  if (manifest !== undefined) {
    response.writeHead(200, { "content-type": manifest.type, "content-length": manifest.bytes.length });
    response.end(manifest.bytes);
  } else if (blob !== undefined) {
    sendBlob(blob, request, response);
  } else {
    refuse(response, 404, kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN");
  }
}

function sendBlob(blob: Buffer, request: IncomingMessage, response: ServerResponse): void {
  const [, first, last] = /^bytes=([0-9]+)-([0-9]*)$/.exec(request.headers.range ?? "") ?? [];
  const start = Number(first ?? 0);
  const end = last ? Number(last) + 1 : blob.length;
  const rest = blob.subarray(start, end);
  const partial = rest.length < blob.length;
  const range = partial ? { "content-range": `bytes ${start}-${end - 1}/${blob.length}` } : {};
  response.writeHead(partial ? 206 : 200, { "content-length": rest.length, ...range }).end(rest);
}
